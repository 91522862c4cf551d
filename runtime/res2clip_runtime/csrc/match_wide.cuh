// match, for the rare rows whose candidates overflow their list (many equal references): the same
// answer from all N references, in fp32, without tensor cores.
//
// In and out as match_residual; counts says which rows (WIDE).   scratch (blocks, N) Candidate.
// Grid: any number of blocks, 256 threads.  A block owns every gridDim.x-th row.
//
// Bytes, a wide row: N D 2 read twice, 8 N written and read about ten times.  Without wide rows: one
//       count a row, 4 bytes; so it is always launched and the host need not know.
// Sizes: D a multiple of 16; any N.
#pragma once

#include "match_row.cuh"

constexpr int WIDE_WARPS = 8;

extern "C" __global__ void __launch_bounds__(WIDE_WARPS * LANES, 2)
match_wide(const float* __restrict__ queries, const __half* __restrict__ bank,
           const float* __restrict__ bank_rho, const float* __restrict__ direction,
           const int* __restrict__ counts, float* __restrict__ residual, float* __restrict__ norm,
           float* __restrict__ along, Candidate* __restrict__ scratch, MatchShape shape) {
    __shared__ double partial[WIDE_WARPS];
    const Block block = {partial};
    Candidate* list = scratch + static_cast<size_t>(blockIdx.x) * shape.references;
    for (int index = blockIdx.x; index < shape.rows; index += gridDim.x) {
        if (counts[static_cast<size_t>(index) * shape.splits] != WIDE) continue;
        const MatchRow row =
            match_row(shape, index, queries, bank, bank_rho, direction, residual, norm, along);
        for (int i = block.rank(); i < shape.references; i += block.size()) list[i].reference = i;
        block.sync();
        score_exactly(block, shape, row, list, shape.references);
        weigh(block, shape, row, list, shape.references);
        write_residual(block, shape, row, list, shape.references);
        block.sync();  // everyone is done with the list
    }
}
