// match, second part: candidates -> residual, its norm and its product with a direction.
//
//     z = <q, r> - penalty (fp32)    w = sparsemax(z), or softmax(<q, r> / 0.05) over the K best z
//     m = normalise(sum of w r)      R = q - m       norm = |R|       along = <R, direction>
//
// In:   queries (B, T, P, D) fp32, bank, bank_rho, direction (D,) or null, lists, counts.
// Out:  residual (B, T, P, D) fp32, norm and along (B, T, P) fp32.  NaN for a row with a similarity
//       that is not finite.  A row with too many candidates is marked WIDE, for match_wide.
// Grid: ceil(rows / 4), 128 threads.  A warp owns a row; no barrier of the block is needed.
//
// Bytes, a row of about 180 candidates of which 150 have weight: (180 + 150) D 2 gathered from the
//       bank, from L2 while the bank is there; 3 D 4 for query and residual.  This does not grow
//       with the number of references; a second dense product would.
// Sizes: D a multiple of 16; any number of rows and splits.   Shared memory 16 kB.
#pragma once

#include "match_row.cuh"

constexpr int RESIDUAL_WARPS = 4;

// Joins the lists of all splits in `joined`, sifting when it is full.  Returns the count, or WIDE.
__device__ __forceinline__ int join_lists(const MatchShape& shape, const Candidate* lists,
                                          const int* counts, Candidate* joined) {
    const int lane = threadIdx.x % LANES;
    int count = 0;
    float bound = -infinity();
    for (int split = 0; split < shape.splits; ++split) {
        const Candidate* list = lists + static_cast<size_t>(split) * CAPACITY;
        for (int first = 0; first < counts[split]; first += LANES) {
            if (count > CAPACITY - LANES) {
                bound = safe_bound(Warp(), shape, joined, count);
                count = compact(joined, count, bound);
                __syncwarp();
                if (count > CAPACITY - LANES) return WIDE;
            }
            const bool real = first + lane < counts[split];
            const Candidate one = real ? list[first + lane] : Candidate{0.0f, 0};
            const bool keep = real && one.score >= bound;
            const unsigned votes = __ballot_sync(ALL_LANES, keep);
            if (keep) joined[count + __popc(votes & ((1u << lane) - 1))] = one;
            count += __popc(votes);
            __syncwarp();
        }
    }
    return count;
}

// BROKEN before WIDE before a count.
__device__ __forceinline__ int state_of_lists(const MatchShape& shape, const int* counts) {
    int state = 0;
    for (int split = 0; split < shape.splits; ++split) {
        if (counts[split] == BROKEN) return BROKEN;
        if (counts[split] == WIDE) state = WIDE;
    }
    return state;
}

extern "C" __global__ void __launch_bounds__(RESIDUAL_WARPS * LANES)
match_residual(const float* __restrict__ queries, const __half* __restrict__ bank,
               const float* __restrict__ bank_rho, const float* __restrict__ direction,
               const Candidate* __restrict__ lists, int* __restrict__ counts,
               float* __restrict__ residual, float* __restrict__ norm, float* __restrict__ along,
               MatchShape shape) {
    __shared__ Candidate shared_lists[RESIDUAL_WARPS][CAPACITY];
    const int index = blockIdx.x * RESIDUAL_WARPS + threadIdx.x / LANES;
    if (index >= shape.rows) return;
    const MatchRow row =
        match_row(shape, index, queries, bank, bank_rho, direction, residual, norm, along);
    counts += static_cast<size_t>(index) * shape.splits;
    lists += static_cast<size_t>(index) * shape.splits * CAPACITY;

    const int state = state_of_lists(shape, counts);
    if (state == BROKEN) return write_broken(Warp(), shape, row);
    Candidate* list = shared_lists[threadIdx.x / LANES];
    int count = state == WIDE ? WIDE : join_lists(shape, lists, counts, list);
    __syncwarp();
    if (count == WIDE) {
        if (threadIdx.x % LANES == 0) counts[0] = WIDE;
        return;
    }
    count = compact(list, count, safe_bound(Warp(), shape, list, count));
    __syncwarp();
    score_exactly(Warp(), shape, row, list, count);
    weigh(Warp(), shape, row, list, count);
    write_residual(Warp(), shape, row, list, count);
}
