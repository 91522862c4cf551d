// What the three match kernels share: sizes, penalties, similarities.
//
// Shapes (letters as in CONTRIBUTING.md; a row is one query patch of one tap of one picture):
//     queries    (B, T, P, D) fp32 unit rows      bank      (T, N, D) fp16 unit rows
//     bank_rho   (N,) fp32                        lists     (B, T, P, splits, CAPACITY) Candidate
//     counts     (B, T, P, splits) int32: candidates in the list, or BROKEN, or WIDE
#pragma once

#include "threshold.cuh"

constexpr int CAPACITY = 512;  // candidates kept a row and split; a support is about 100 to 220
constexpr int BROKEN = -1;     // a similarity of the row was not finite: its residual is NaN
constexpr int WIDE = -2;       // more candidates than CAPACITY: match_wide takes the row
constexpr int MATCH_WARPS = 8;

// The query is rounded to fp16 for the tensor cores (the bank is fp16 already), which moves a
// similarity of unit rows by at most 2^-11; the remaining 25 % are for the tensor cores' fp32 sums.
// A reference counts as dropped only if it stays out with twice that error.
constexpr float ROUNDING = 1.25f / 2048.0f;
constexpr float MARGIN = 2.0f * ROUNDING;

enum Penalty { NO_PENALTY = 0, LOCAL_PENALTY = 1, RADIAL_PENALTY = 2 };

// Passed to kernels by value, after the pointers; all members have four bytes.
struct MatchShape {
    int rows;        // B * T * P
    int taps;        // T
    int patches;     // P = grid * grid
    int references;  // N
    int depth;       // D, a multiple of 16
    int grid;        // G
    int splits;      // parts of the bank that different blocks look through
    int penalty;     // a Penalty
    float gamma;
    int neighbours;  // K of the nearest-neighbour variants; 0: sparsemax
};

// Distance of grid position `patch` from the grid's centre, in patches.
__device__ __forceinline__ float patch_rho(int patch, int grid) {
    const float centre = 0.5f * (grid - 1);
    const float y = patch / grid - centre, x = patch % grid - centre;
    return sqrtf(x * x + y * y);
}

__device__ __forceinline__ float penalty_of(const MatchShape& shape, int patch, float query_rho,
                                            int reference, float reference_rho) {
    if (shape.penalty == RADIAL_PENALTY) return shape.gamma * fabsf(query_rho - reference_rho);
    if (shape.penalty == NO_PENALTY) return 0.0f;
    const int other = reference % shape.patches;  // the bank is whole pictures
    const float y = patch / shape.grid - other / shape.grid;
    const float x = patch % shape.grid - other % shape.grid;
    return shape.gamma * sqrtf(x * x + y * y);
}

// Below this score a candidate cannot get weight, whatever references are still to come.
template <class Team>
__device__ float safe_bound(Team team, const MatchShape& shape, const Candidate* list, int count) {
    if (shape.neighbours > 0)
        return nth_largest(team, list, count, min(shape.neighbours, count)) - MARGIN;
    const SparsemaxThreshold threshold = sparsemax_threshold(team, list, count);
    return threshold.highest + threshold.tau - MARGIN;
}

// Keeps the candidates above the bound, in their order; one warp.  Returns how many.
__device__ __forceinline__ int compact(Candidate* list, int count, float bound) {
    const int lane = threadIdx.x % LANES;
    int kept = 0;
    for (int first = 0; first < count; first += LANES) {
        const bool real = first + lane < count;
        const Candidate candidate = real ? list[first + lane] : Candidate{0.0f, 0};
        const bool keep = real && candidate.score >= bound;
        const unsigned votes = __ballot_sync(ALL_LANES, keep);
        if (keep) list[kept + __popc(votes & ((1u << lane) - 1))] = candidate;
        kept += __popc(votes);
    }
    return kept;
}
