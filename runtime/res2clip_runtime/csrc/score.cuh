// score: patch maps -> anomaly map, its peak, and the mean of each branch's highest 1 %.
//
//     branch = U map U^T      U (S, G): bilinear upsampling, then one Gaussian (score.py)
//     M = V (a text + visual + c residual) V^T      V (S, G): upsampling, then two Gaussians
//     top = mean of the floor(1 %), at least 1, highest pixels of a branch (method.md, section 7)
//
// In:   maps (B, 3, G, G) fp32; U and V as bands: row s has `band` weights from column first[s] on;
//       mask (S, S) uint8, 0: the pixel is outside the region of interest; null: all are inside.
// Out:  tops (B, 3) fp32; anomaly_map (B, S, S) fp32; peak (B,) uint64: the key of the highest
//       value inside the region, and below it the bits of its pixel number, inverted.
// Grid: score_top (3, B): a block of 512 threads owns a branch of a picture.
//       score_map (ceil(S * S / 256), B), 256 threads: a thread owns a pixel.
//
// No branch is ever stored: a pixel costs band^2 products (9 at 518 px) from 3 G G 4 bytes that stay
// in the L1 cache, and is computed again in each of the four passes of score_top.  Written: S S 4.
// The highest 1 % are selected exactly: a histogram of 11, then 11, then 10 bits of the value's key
// finds the lowest pixel that belongs to them; what is higher is added up in a fixed order in fp64.
// A NaN counts as the highest value, so it reaches the mean.
// Sizes: any G, S; at least one pixel inside the mask.   Shared memory 8.3 kB.
#pragma once

#include "team.cuh"

constexpr int TOP_THREADS = 512;
constexpr int MAP_THREADS = 256;
constexpr int BIN_BITS = 11;
constexpr int BINS = 1 << BIN_BITS;
constexpr int PERCENT = 100;

// Passed by value after the pointers; all members have four bytes.
struct ScoreShape {
    int grid;           // G
    int size;           // S
    int band;           // weights a row of U
    int map_band;       // weights a row of V
    float text_weight;  // a
    float residual_weight;  // c
};

// An upsampling matrix of which only the non-zero band is kept.
struct Bands {
    const int* first;      // (S,)
    const float* weights;  // (S, band)
    int band;

    // (matrix map matrix^T)[y, x] of a (grid, grid) map.
    __device__ float at(const float* map, int grid, int y, int x) const {
        const float* corner = map + first[y] * grid + first[x];
        float sum = 0.0f;
        for (int i = 0; i < band; ++i) {
            float along_row = 0.0f;
            for (int j = 0; j < band; ++j)
                along_row += weights[x * band + j] * corner[i * grid + j];
            sum += weights[y * band + i] * along_row;
        }
        return sum;
    }
};

// One branch map of one picture, with the region of interest.
struct Branch {
    Bands upsampling;
    const float* map;
    const unsigned char* mask;
    int grid, size;

    __device__ bool inside(int pixel) const { return mask == nullptr || mask[pixel] != 0; }
    __device__ float value(int pixel) const {
        return upsampling.at(map, grid, pixel / size, pixel % size);
    }
};

// The bin that holds the `rank`-th highest key, and how many keys lie above that bin.  Warp 0 calls.
struct Bin {
    int index;
    int above;

    __device__ static Bin holding(const int* histogram, int rank) {
        constexpr int EACH = BINS / LANES;
        const int lane = threadIdx.x % LANES;
        const int last = BINS - 1 - lane * EACH;  // lane 0 has the highest bins
        int own = 0;
        for (int i = 0; i < EACH; ++i) own += histogram[last - i];
        int before = own;  // becomes the sum over this lane and the ones before it
        for (int distance = 1; distance < LANES; distance *= 2) {
            const int other = __shfl_up_sync(ALL_LANES, before, distance);
            if (lane >= distance) before += other;
        }
        before -= own;
        const bool holds = before < rank && rank <= before + own;
        Bin found = {0, 0};
        if (holds) {
            found = {last, before};
            while (found.above + histogram[found.index] < rank)
                found.above += histogram[found.index--];
        }
        // Exactly one lane holds the rank; the others have zeros.
        return {Warp().sum(found.index), Warp().sum(found.above)};
    }
};

extern "C" __global__ void __launch_bounds__(TOP_THREADS)
score_top(const float* __restrict__ maps, const int* __restrict__ first,
          const float* __restrict__ weights, const unsigned char* __restrict__ mask,
          float* __restrict__ tops, unsigned long long* __restrict__ peak, ScoreShape shape) {
    __shared__ int histogram[BINS];
    __shared__ double partial[TOP_THREADS / LANES];
    __shared__ Bin found;
    const Block block = {partial};
    const int index = blockIdx.y * gridDim.x + blockIdx.x;
    const Branch branch = {{first, weights, shape.band},
                           maps + static_cast<size_t>(index) * shape.grid * shape.grid,
                           mask, shape.grid, shape.size};
    const int pixels = shape.size * shape.size;

    if (blockIdx.x == 0 && threadIdx.x == 0) peak[blockIdx.y] = 0;  // for score_map
    int inside = 0;
    for (int i = block.rank(); i < pixels; i += block.size()) inside += branch.inside(i);
    const int count = max(1, block.sum(inside) / PERCENT);

    unsigned lowest = 0;  // key of the last of the highest pixels; its upper bits come first
    int rank = count;     // of that pixel among those with the same upper bits
    for (int shift = 32; shift > 0;) {
        const int bits = min(BIN_BITS, shift);
        shift -= bits;
        for (int i = block.rank(); i < BINS; i += block.size()) histogram[i] = 0;
        __syncthreads();
        for (int i = block.rank(); i < pixels; i += block.size()) {
            if (!branch.inside(i)) continue;
            const unsigned key = ordered_key(branch.value(i));
            const unsigned long long differs = key ^ lowest;  // 64 bits: may be shifted by 32
            if (differs >> (shift + bits) == 0)
                atomicAdd(&histogram[(key >> shift) & ((1u << bits) - 1)], 1);
        }
        __syncthreads();
        if (block.warp() == 0) {
            const Bin bin = Bin::holding(histogram, rank);
            if (threadIdx.x == 0) found = bin;
        }
        __syncthreads();
        lowest |= static_cast<unsigned>(found.index) << shift;
        rank -= found.above;
    }

    double higher = 0.0;
    for (int i = block.rank(); i < pixels; i += block.size()) {
        const float value = branch.value(i);
        if (branch.inside(i) && ordered_key(value) > lowest) higher += value;
    }
    higher = block.sum(higher);
    if (threadIdx.x == 0) {
        // `rank` of the highest pixels are equal to the lowest of them.
        const double total = higher + rank * static_cast<double>(float_of_key(lowest));
        tops[index] = static_cast<float>(total / count);
    }
}

extern "C" __global__ void __launch_bounds__(MAP_THREADS)
score_map(const float* __restrict__ maps, const int* __restrict__ first,
          const float* __restrict__ weights, const unsigned char* __restrict__ mask,
          float* __restrict__ anomaly_map, unsigned long long* __restrict__ peak,
          ScoreShape shape) {
    const int pixels = shape.size * shape.size, cells = shape.grid * shape.grid;
    const int pixel = blockIdx.x * blockDim.x + threadIdx.x;
    const Bands upsampling = {first, weights, shape.map_band};
    maps += static_cast<size_t>(blockIdx.y) * 3 * cells;
    unsigned long long mine = 0;
    if (pixel < pixels) {
        const int y = pixel / shape.size, x = pixel % shape.size;
        const float value =
            shape.text_weight * upsampling.at(maps, shape.grid, y, x) +
            upsampling.at(maps + cells, shape.grid, y, x) +
            shape.residual_weight * upsampling.at(maps + 2 * cells, shape.grid, y, x);
        anomaly_map[static_cast<size_t>(blockIdx.y) * pixels + pixel] = value;
        if (mask == nullptr || mask[pixel] != 0)
            mine = static_cast<unsigned long long>(ordered_key(value)) << 32 |
                   (0xffffffffu - static_cast<unsigned>(pixel));
    }
    mine = Warp().max(mine);
    if (threadIdx.x % LANES == 0) atomicMax(&peak[blockIdx.y], mine);
}
