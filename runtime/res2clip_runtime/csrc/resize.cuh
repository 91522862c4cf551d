// preprocess: a frame as it comes from a camera -> the RGB square that the encoder sees.
//
//     rows:     out[y, x] = clip((2^21 + sum_t w[x, t] rgb[y, first[x] + t]) >> 22)
//     columns:  the same over y
// Pillow's antialiased bicubic to the bit: two passes, 8 bits in between, weights rounded to 22 bits
// (the host makes them, resize_plan.py).
//
// In:   frame: RGB or BGR (H, W, 3), mono (H, W), or NV12 (H, W) and below it (H / 2, W) of U, V
//       pairs; `pitch` bytes a row; first_* (S,), weights_* (S, taps) int32.
// Out:  narrow (crop height, S, 3), square (S, S, 3), both uint8.
// Grid: resize_rows (crop height, ceil(S / 128)), resize_columns (ceil(3 S / 128), S); 128 threads.
//       A thread owns a pixel, then a byte.
//
// Bytes, 1080p to 518: 6.2 MB of frame (NV12 3.1), 1.7 MB written and read in between, 0.8 MB out.
//       Neighbouring threads read the same pixels, which the L1 cache holds.
// Sizes: any crop of at least one pixel inside the frame; NV12 needs an even height and width.
#pragma once

#include "team.cuh"

constexpr int RESIZE_THREADS = 128;
constexpr int WEIGHT_BITS = 22;

enum PixelFormat { RGB = 0, BGR = 1, MONO = 2, NV12_BT601 = 3, NV12_BT709 = 4 };

// Passed by value after the pointers; all members have four bytes.
struct FrameShape {
    int height, width, pitch;
    int format;     // a PixelFormat
    int left, top;  // of the crop
    int crop_height, crop_width;
    int size;          // S
    int taps_x, taps_y;  // weights of an output column and row
};

struct Colour {
    int red, green, blue;
};

__device__ __forceinline__ int clip_to_byte(int value) { return min(max(value, 0), 255); }

// Video range (luma 16 to 235, chroma 16 to 240) to full range; ITU-R BT.601 and BT.709, in 2^-16.
__device__ __forceinline__ Colour from_video(int format, int luma, int u, int v) {
    const bool hd = format == NV12_BT709;
    const int y = 76309 * (luma - 16) + (1 << 15);
    u -= 128;
    v -= 128;
    return {clip_to_byte((y + (hd ? 117489 : 104597) * v) >> 16),
            clip_to_byte((y - (hd ? 13975 : 25675) * u - (hd ? 34925 : 53279) * v) >> 16),
            clip_to_byte((y + (hd ? 138438 : 132201) * u) >> 16)};
}

__device__ __forceinline__ Colour colour_at(const unsigned char* frame, const FrameShape& shape,
                                            int y, int x) {
    const unsigned char* row = frame + static_cast<size_t>(y) * shape.pitch;
    if (shape.format == RGB) return {row[3 * x], row[3 * x + 1], row[3 * x + 2]};
    if (shape.format == BGR) return {row[3 * x + 2], row[3 * x + 1], row[3 * x]};
    if (shape.format == MONO) return {row[x], row[x], row[x]};
    const unsigned char* chroma = frame + static_cast<size_t>(shape.height + y / 2) * shape.pitch;
    return from_video(shape.format, row[x], chroma[x / 2 * 2], chroma[x / 2 * 2 + 1]);
}

__device__ __forceinline__ unsigned char rounded(int sum) {
    return static_cast<unsigned char>(clip_to_byte(sum >> WEIGHT_BITS));
}

extern "C" __global__ void __launch_bounds__(RESIZE_THREADS)
resize_rows(const unsigned char* __restrict__ frame, const int* __restrict__ first,
            const int* __restrict__ weights, unsigned char* __restrict__ narrow,
            FrameShape shape) {
    const int x = blockIdx.y * blockDim.x + threadIdx.x;
    const int y = blockIdx.x;  // a line-scan picture has more rows than blockIdx.y reaches
    if (x >= shape.size) return;
    constexpr int HALF = 1 << (WEIGHT_BITS - 1);
    int red = HALF, green = HALF, blue = HALF;
    for (int tap = 0; tap < shape.taps_x; ++tap) {
        const int weight = weights[x * shape.taps_x + tap];
        // Beyond the crop's edge weights are zero.
        const int column = min(first[x] + tap, shape.crop_width - 1);
        const Colour colour = colour_at(frame, shape, shape.top + y, shape.left + column);
        red += weight * colour.red;
        green += weight * colour.green;
        blue += weight * colour.blue;
    }
    unsigned char* out = narrow + (static_cast<size_t>(y) * shape.size + x) * 3;
    out[0] = rounded(red);
    out[1] = rounded(green);
    out[2] = rounded(blue);
}

extern "C" __global__ void __launch_bounds__(RESIZE_THREADS)
resize_columns(const unsigned char* __restrict__ narrow, const int* __restrict__ first,
               const int* __restrict__ weights, unsigned char* __restrict__ square,
               FrameShape shape) {
    const int place = blockIdx.x * blockDim.x + threadIdx.x;  // byte within a row
    const int y = blockIdx.y;
    const int row_bytes = 3 * shape.size;
    if (place >= row_bytes) return;
    int sum = 1 << (WEIGHT_BITS - 1);
    for (int tap = 0; tap < shape.taps_y; ++tap) {
        const int row = min(first[y] + tap, shape.crop_height - 1);
        sum += weights[y * shape.taps_y + tap] * narrow[static_cast<size_t>(row) * row_bytes + place];
    }
    square[static_cast<size_t>(y) * row_bytes + place] = rounded(sum);
}
