// Threads that work on one thing together: a warp, or a whole block.
//
// Both offer the same members, so that what is built on them (threshold.cuh, match_row.cuh) exists
// once.  Sums are taken in a fixed order: every run gives the same bits.
#pragma once

#ifndef CUDA_ON_HOST  // the tests' host shim brings its own
#include <cuda_fp16.h>
#include <mma.h>
#endif

constexpr unsigned ALL_LANES = 0xffffffffu;
constexpr int LANES = 32;
constexpr float LARGEST_FLOAT = 3.402823466e38f;

__device__ __forceinline__ float infinity() { return __uint_as_float(0x7f800000u); }
__device__ __forceinline__ float not_a_number() { return __uint_as_float(0x7fc00000u); }

struct Warp {
    __device__ int rank() const { return threadIdx.x % LANES; }
    __device__ int size() const { return LANES; }
    __device__ int warp() const { return 0; }
    __device__ int warps() const { return 1; }

    __device__ void sync() const { __syncwarp(); }

    // Sum of every thread's value, known to all.
    template <class T>
    __device__ T sum(T value) const {
        for (int flip = LANES / 2; flip > 0; flip /= 2)
            value += __shfl_xor_sync(ALL_LANES, value, flip);
        return value;
    }

    // Largest of every thread's value, known to all.
    template <class T>
    __device__ T max(T value) const {
        for (int flip = LANES / 2; flip > 0; flip /= 2) {
            const T other = __shfl_xor_sync(ALL_LANES, value, flip);
            value = other > value ? other : value;
        }
        return value;
    }
};

struct Block {
    double* partial;  // shared memory, one double a warp

    __device__ int rank() const { return threadIdx.x; }
    __device__ int size() const { return blockDim.x; }
    __device__ int warp() const { return threadIdx.x / LANES; }
    __device__ int warps() const { return blockDim.x / LANES; }

    __device__ void sync() const { __syncthreads(); }

    template <class T>
    __device__ T sum(T value) const {
        T* of_warp = share(Warp().sum(value));
        T total = of_warp[0];
        for (int i = 1; i < warps(); ++i) total += of_warp[i];
        __syncthreads();
        return total;
    }

    template <class T>
    __device__ T max(T value) const {
        T* of_warp = share(Warp().max(value));
        T highest = of_warp[0];
        for (int i = 1; i < warps(); ++i) highest = of_warp[i] > highest ? of_warp[i] : highest;
        __syncthreads();
        return highest;
    }

   private:
    // Puts each warp's value where all threads can read it.
    template <class T>
    __device__ T* share(T value) const {
        T* of_warp = reinterpret_cast<T*>(partial);
        if (threadIdx.x % LANES == 0) of_warp[warp()] = value;
        __syncthreads();
        return of_warp;
    }
};

// Unsigned integers in the order of the floats they stand for; NaN above all.
__device__ __forceinline__ unsigned ordered_key(float value) {
    if (value != value) return 0xffffffffu;
    const unsigned bits = __float_as_uint(value);
    return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

__device__ __forceinline__ float float_of_key(unsigned key) {
    return __uint_as_float(key & 0x80000000u ? key & 0x7fffffffu : ~key);
}
