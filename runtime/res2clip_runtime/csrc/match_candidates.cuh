// match, first part: the references that can get weight, for every query patch.
//
//     z = q r^T - penalty            kept: z >= tau(references so far) - MARGIN
//
// Tensor cores compute the similarities from fp16, exact to 2^-11; they only choose.  match_residual
// computes the few chosen ones again from the fp32 query, so the result is that of fp32.
//
// In:   queries_f16 (B, T, P, D), bank (T, N, D), bank_rho (N,).   Out: lists, counts (match.cuh).
// Grid: (ceil(P / 128), splits, B * T), 256 threads.  A block owns 128 query rows and one part of
//       the bank; it streams that part once, in tiles of 128 references.  A warp owns 16 rows: it
//       computes their 16 x 128 similarities and is the only one to touch their lists, so there are
//       no atomics and the order in a list is that of the references.
// The matrix of similarities is never stored.  A list is sifted when it could overflow: tau over the
// references seen so far is a lower bound of the final one, so what lies below it is out for good.
//
// Bytes, a tap of a picture:  read  P D 2 (queries) x tiles, from the L1/L2 cache;
//                             read  N D 2 (bank) x ceil(P / 128), from L2 or DRAM;
//                             written about 8 bytes a candidate, 1 to 2 kB a row.
//       A stored fp32 matrix would be written once and read about ten times: 4 N a row and pass.
// Sizes: D a multiple of 16; any P, N >= 1.  Rows of unit length (MARGIN counts on it).
// Shared memory 31 kB; two blocks an SM.
#pragma once

#include "match.cuh"

constexpr int TILE = 128;              // query rows of a block, and references of a tile
constexpr int SLICE = 32;              // columns of D in shared memory at a time
constexpr int SLICE_STRIDE = 40;       // halves; 8 more than SLICE, against bank conflicts
constexpr int STAGE_STRIDE = 20;       // floats a staged row of 16
constexpr int FRAGMENT = 16;
constexpr int MATCH_THREADS = MATCH_WARPS * LANES;
constexpr int CHUNK = 8;               // halves in a uint4
constexpr int CHUNKS_A_ROW = SLICE / CHUNK;
constexpr int CHUNKS_A_THREAD = TILE * CHUNKS_A_ROW / MATCH_THREADS;

static_assert(TILE == MATCH_WARPS * FRAGMENT, "a warp owns 16 rows");
static_assert(CAPACITY > TILE + LANES, "a tile must fit behind a sifted list");

// Rounds n values to fp16 (too large ones become infinite, which makes their row BROKEN).
extern "C" __global__ void __launch_bounds__(256)
to_half(const float* __restrict__ values, __half* __restrict__ halves, int count) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < count) halves[i] = __float2half_rn(values[i]);
}

// A thread's share of a slice on its way from global to shared memory.
struct Carried {
    uint4 chunk[CHUNKS_A_THREAD];

    // Rows from `first` to `rows` of a (rows, depth) matrix, columns from `column`; zeros outside.
    __device__ void fetch(const __half* matrix, int first, int rows, int depth, int column) {
        for (int i = 0; i < CHUNKS_A_THREAD; ++i) {
            const int place = threadIdx.x + i * MATCH_THREADS;
            const int row = first + place / CHUNKS_A_ROW;
            const int at = column + place % CHUNKS_A_ROW * CHUNK;
            const bool real = row < rows && at < depth;
            const size_t start = real ? static_cast<size_t>(row) * depth + at : 0;
            chunk[i] = *reinterpret_cast<const uint4*>(matrix + start);  // always inside
            if (!real) chunk[i] = make_uint4(0, 0, 0, 0);
        }
    }

    __device__ void put(__half* slice) const {
        for (int i = 0; i < CHUNKS_A_THREAD; ++i) {
            const int place = threadIdx.x + i * MATCH_THREADS;
            const int at = place / CHUNKS_A_ROW * SLICE_STRIDE + place % CHUNKS_A_ROW * CHUNK;
            *reinterpret_cast<uint4*>(slice + at) = chunk[i];
        }
    }
};

// The lists of the 16 rows that a warp owns.
struct RowLists {
    Candidate* lists;  // of the block's first row and this split
    int stride;        // candidates from one row's list to the next
    int* count;        // (TILE,) in shared memory
    float* bound;      // (TILE,) in shared memory
    int first;         // first row of this warp, within the block

    // Takes two rows of 16 scores: a lane's score belongs to `row` and is the `column`-th of it.
    __device__ void append(int row, int column, bool real, float score, int reference) {
        const bool broken = real && !(fabsf(score) <= LARGEST_FLOAT);
        const bool keep = real && (broken || score >= bound[row]);
        const unsigned votes = __ballot_sync(ALL_LANES, keep);
        if (votes == 0) return;
        const unsigned of_row = (threadIdx.x % LANES < FRAGMENT ? votes : votes >> FRAGMENT) & 0xffff;
        const unsigned failures = __ballot_sync(ALL_LANES, broken);
        const bool row_fails =
            ((threadIdx.x % LANES < FRAGMENT ? failures : failures >> FRAGMENT) & 0xffff) != 0;
        if (keep && !row_fails) {
            const int slot = count[row] + __popc(of_row & ((1u << column) - 1));
            lists[static_cast<size_t>(row) * stride + slot] = Candidate{score, reference};
        }
        __syncwarp();
        if (column == 0) {
            count[row] = row_fails ? BROKEN : count[row] + __popc(of_row);
            if (row_fails) bound[row] = infinity();  // nothing more is kept
        }
        __syncwarp();
    }

    // Makes room for another tile in every list.
    __device__ void sift(const MatchShape& shape) {
        for (int row = first; row < first + FRAGMENT; ++row) {
            if (count[row] <= CAPACITY - TILE) continue;
            Candidate* list = lists + static_cast<size_t>(row) * stride;
            const float lowest = safe_bound(Warp(), shape, list, count[row]);
            const int kept = compact(list, count[row], lowest);
            __syncwarp();
            if (threadIdx.x % LANES == 0) {
                const bool wide = kept > CAPACITY - TILE;
                count[row] = wide ? WIDE : kept;
                bound[row] = wide ? infinity() : lowest;
            }
            __syncwarp();
        }
    }
};

extern "C" __global__ void __launch_bounds__(MATCH_THREADS, 2)
match_candidates(const __half* __restrict__ queries_f16, const __half* __restrict__ bank,
                 const float* __restrict__ bank_rho, Candidate* __restrict__ lists,
                 int* __restrict__ counts, MatchShape shape) {
    using namespace nvcuda;
    __shared__ __align__(32) __half query_slice[TILE * SLICE_STRIDE];
    __shared__ __align__(32) __half bank_slice[TILE * SLICE_STRIDE];
    __shared__ __align__(32) float stage[MATCH_WARPS][FRAGMENT * STAGE_STRIDE];
    __shared__ float query_rho[TILE];
    __shared__ float bound[TILE];
    __shared__ int count[TILE];

    const int warp = threadIdx.x / LANES, lane = threadIdx.x % LANES;
    const int first_patch = blockIdx.x * TILE;
    const size_t first_row = static_cast<size_t>(blockIdx.z) * shape.patches;  // of this tap
    queries_f16 += first_row * shape.depth;
    bank += static_cast<size_t>(blockIdx.z % shape.taps) * shape.references * shape.depth;
    // What a warp owns of `count`, `bound` and `query_rho` only its lanes read.
    if (lane < FRAGMENT) {
        const int row = warp * FRAGMENT + lane;
        count[row] = 0;
        bound[row] = -infinity();
        query_rho[row] = patch_rho(first_patch + row, shape.grid);
    }
    __syncwarp();
    const size_t list_of_block = (first_row + first_patch) * shape.splits + blockIdx.y;
    RowLists rows = {lists + list_of_block * CAPACITY,
                     shape.splits * CAPACITY, count, bound, warp * FRAGMENT};

    const int tiles = (shape.references + TILE - 1) / TILE;
    const int tiles_a_split = (tiles + shape.splits - 1) / shape.splits;
    const int begin = blockIdx.y * tiles_a_split * TILE;
    const int end = min(begin + tiles_a_split * TILE, shape.references);
    for (int first = begin; first < end; first += TILE) {
        wmma::fragment<wmma::accumulator, 16, 16, 16, float> similarity[TILE / FRAGMENT];
#pragma unroll
        for (int i = 0; i < TILE / FRAGMENT; ++i) wmma::fill_fragment(similarity[i], 0.0f);
        Carried query, reference;
        query.fetch(queries_f16, first_patch, shape.patches, shape.depth, 0);
        reference.fetch(bank, first, end, shape.depth, 0);
        for (int column = 0; column < shape.depth; column += SLICE) {
            __syncthreads();  // every warp is done with the slice before
            query.put(query_slice);
            reference.put(bank_slice);
            __syncthreads();
            if (column + SLICE < shape.depth) {  // on their way while the tensor cores work
                query.fetch(queries_f16, first_patch, shape.patches, shape.depth, column + SLICE);
                reference.fetch(bank, first, end, shape.depth, column + SLICE);
            }
#pragma unroll 1  // unrolled, it needs more than the 128 registers there are
            for (int k = 0; k < SLICE; k += FRAGMENT) {
                wmma::fragment<wmma::matrix_a, 16, 16, 16, __half, wmma::row_major> a;
                wmma::load_matrix_sync(a, query_slice + warp * FRAGMENT * SLICE_STRIDE + k,
                                       SLICE_STRIDE);
#pragma unroll
                for (int i = 0; i < TILE / FRAGMENT; ++i) {
                    wmma::fragment<wmma::matrix_b, 16, 16, 16, __half, wmma::col_major> b;
                    wmma::load_matrix_sync(b, bank_slice + i * FRAGMENT * SLICE_STRIDE + k,
                                           SLICE_STRIDE);
                    wmma::mma_sync(similarity[i], a, b, similarity[i]);
                }
            }
        }
#pragma unroll
        for (int i = 0; i < TILE / FRAGMENT; ++i) {
            wmma::store_matrix_sync(stage[warp], similarity[i], STAGE_STRIDE, wmma::mem_row_major);
            __syncwarp();
            const int column = lane % FRAGMENT;
            const int which = first + i * FRAGMENT + column;
            const float rho = which < end ? bank_rho[which] : 0.0f;
            for (int pair = 0; pair < FRAGMENT; pair += 2) {
                const int row = pair + lane / FRAGMENT, row_of_block = rows.first + row;
                const int patch = first_patch + row_of_block;
                const float score =
                    stage[warp][row * STAGE_STRIDE + column] -
                    penalty_of(shape, patch, query_rho[row_of_block], which, rho);
                rows.append(row_of_block, column, which < end && patch < shape.patches, score,
                            which);
            }
            // The votes in append tell that every lane has read its part of the stage.
        }
        rows.sift(shape);
    }
    if (lane < FRAGMENT && first_patch + rows.first + lane < shape.patches)
        counts[list_of_block + static_cast<size_t>(rows.first + lane) * shape.splits] =
            count[rows.first + lane];
}
