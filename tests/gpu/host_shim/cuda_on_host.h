// Runs unchanged CUDA C++ kernels on a CPU, for tests: it stands in for nvcc's built-ins.
//
// One fiber per CUDA thread, one operating-system thread, block after block.  A lane runs until it
// meets a barrier, a shuffle or a vote, a warp until it needs the other warps, so whatever needs a
// barrier and has none reads too early or finds its data overwritten.  Run every test in both orders
// (`cuda_on_host_reverse`): a race that one order hides the other shows.  Shared memory is filled
// with rubbish before each block.
//
// It stops the process, saying why, when threads of a block wait at different barriers, when lanes
// of a warp meet in different operations, or when a lane waits for one that has returned.
//
// Not covered: inline PTX, asynchronous copies, the memory model between blocks, timing.
#pragma once

#include <setjmp.h>
#include <ucontext.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <tuple>
#include <vector>

// The toolkit's own headers define dim3, uint4, float4 and __half with its host arithmetic.
#include <vector_types.h>
#include <cuda_fp16.h>

#define CUDA_ON_HOST 1
#undef __global__
#undef __device__
#undef __shared__
#undef __launch_bounds__
#undef __forceinline__
#undef __restrict__
#define __global__
#define __device__
#define __launch_bounds__(...)
#define __forceinline__ inline
#define __restrict__ __restrict
// All shared variables lie in one section, so that they can be overwritten between blocks.
#define __shared__ static __attribute__((section("cuda_shared")))
extern "C" char __start_cuda_shared[], __stop_cuda_shared[];

namespace cuda_on_host {

enum class State { ready, at_block_barrier, at_warp_barrier, returned };

constexpr int LANES = 32;
constexpr size_t STACK_BYTES = 128 * 1024;

struct Fiber {
    ucontext_t start;
    jmp_buf here;
    std::vector<char> stack = std::vector<char>(STACK_BYTES);
    bool started = false;
    State state = State::ready;
    const char* operation = "";  // what it waits in
    uint64_t offered = 0;        // what a shuffle or vote hands to the other lanes
    int collective_count = 0;    // wmma operations so far; equal for all lanes of a warp
};

struct Device {
    dim3 thread, block, block_size, grid_size;
    std::vector<Fiber> fibers;
    ucontext_t unused;
    jmp_buf scheduler;
    int running = 0;
    int threads = 0;
    bool reversed = false;
    std::function<void()> kernel;
};

inline Device device;

[[noreturn]] inline void stop(const char* what, const char* detail = "") {
    std::fprintf(stderr, "cuda_on_host: %s %s (block %u %u %u, thread %d)\n", what, detail,
                 device.block.x, device.block.y, device.block.z, device.running);
    std::abort();
}

inline Fiber& self() { return device.fibers[device.running]; }

inline int lane() { return device.running % LANES; }

// Gives the processor back; returns when all the fiber waits for have arrived.
inline void wait(State state, const char* operation) {
    Fiber& fiber = self();
    fiber.state = state;
    fiber.operation = operation;
    if (_setjmp(fiber.here) == 0) _longjmp(device.scheduler, 1);
}

inline void fiber_main() {
    device.kernel();
    self().state = State::returned;
    _longjmp(device.scheduler, 1);
}

inline void run(int index) {
    Fiber& fiber = device.fibers[index];
    const dim3& size = device.block_size;
    device.running = index;
    device.thread.x = index % size.x;
    device.thread.y = index / size.x % size.y;
    device.thread.z = index / (size.x * size.y);
    if (_setjmp(device.scheduler) != 0) return;
    if (fiber.started) _longjmp(fiber.here, 1);
    fiber.started = true;
    getcontext(&fiber.start);
    fiber.start.uc_stack.ss_sp = fiber.stack.data();
    fiber.start.uc_stack.ss_size = fiber.stack.size();
    fiber.start.uc_link = nullptr;
    makecontext(&fiber.start, fiber_main, 0);
    swapcontext(&device.unused, &fiber.start);
}

// Lets a warp go on whose lanes all wait in the same operation.
inline bool release_warp(int first) {
    const int last = std::min(first + LANES, device.threads);
    int waiting = 0;
    for (int i = first; i < last; ++i)
        waiting += device.fibers[i].state == State::at_warp_barrier;
    if (waiting == 0) return false;
    device.running = first;
    for (int i = first; i < last; ++i) {
        const Fiber& fiber = device.fibers[i];
        if (fiber.state == State::ready) return false;
        if (fiber.state != State::at_warp_barrier)
            stop("a lane waits for one that has returned or is at a block's barrier");
        if (std::strcmp(fiber.operation, device.fibers[first].operation) != 0)
            stop("lanes of a warp meet in different operations:", fiber.operation);
        if (fiber.collective_count != device.fibers[first].collective_count)
            stop("lanes of a warp made different numbers of matrix operations");
    }
    for (int i = first; i < last; ++i) device.fibers[i].state = State::ready;
    return true;
}

inline int count(State state) {
    return static_cast<int>(
        std::count_if(device.fibers.begin(), device.fibers.begin() + device.threads,
                      [state](const Fiber& fiber) { return fiber.state == state; }));
}

// Runs a warp as far as it gets without the others.
inline void run_warp(int warp) {
    const int first = warp * LANES, last = std::min(first + LANES, device.threads);
    do {
        for (int i = first; i < last; ++i) {
            const int index = device.reversed ? first + last - 1 - i : i;
            if (device.fibers[index].state == State::ready) run(index);
        }
    } while (release_warp(first));
}

inline void run_block() {
    // 0xFF bytes: NaN as float or half, -1 as int.
    std::memset(__start_cuda_shared, 0xFF, __stop_cuda_shared - __start_cuda_shared);
    for (int i = 0; i < device.threads; ++i) {
        Fiber& fiber = device.fibers[i];
        fiber.started = false;
        fiber.state = State::ready;
        fiber.collective_count = 0;
    }
    const int warps = (device.threads + LANES - 1) / LANES;
    while (count(State::returned) < device.threads) {
        for (int i = 0; i < warps; ++i) run_warp(device.reversed ? warps - 1 - i : i);
        const int waiting = count(State::at_block_barrier);
        if (waiting == 0) continue;
        if (waiting != device.threads) stop("not every thread of the block reaches the barrier");
        for (int i = 0; i < device.threads; ++i) device.fibers[i].state = State::ready;
    }
}

inline void launch(dim3 grid, dim3 block, const std::function<void()>& kernel) {
    device.grid_size = grid;
    device.block_size = block;
    device.threads = static_cast<int>(block.x * block.y * block.z);
    device.kernel = kernel;
    if (device.threads < 1 || device.threads > 1024) stop("a block has 1 to 1024 threads");
    if (static_cast<int>(device.fibers.size()) < device.threads)
        device.fibers.resize(device.threads);
    const long blocks = static_cast<long>(grid.x) * grid.y * grid.z;
    for (long i = 0; i < blocks; ++i) {
        const long index = device.reversed ? blocks - 1 - i : i;
        device.block.x = static_cast<unsigned>(index % grid.x);
        device.block.y = static_cast<unsigned>(index / grid.x % grid.y);
        device.block.z = static_cast<unsigned>(index / grid.x / grid.y);
        run_block();
    }
}

// What a lane of this warp offered in the operation all of them are in.
template <class T>
T offered_by(int source_lane) {
    const int index = device.running / LANES * LANES + source_lane;
    if (index >= device.threads) stop("a shuffle reads a lane that does not exist");
    T value;
    std::memcpy(&value, &device.fibers[index].offered, sizeof value);
    return value;
}

inline void require_full(unsigned mask) {
    if (mask != 0xffffffffu) stop("only whole warps are supported");
}

// Every lane offers a value, `read` takes what it wants of them, and all go on together.
template <class T, class Read>
auto exchange(unsigned mask, T value, const char* operation, Read read) {
    static_assert(sizeof(T) <= sizeof(uint64_t), "shuffled values have at most 8 bytes");
    require_full(mask);
    self().offered = 0;
    std::memcpy(&self().offered, &value, sizeof value);
    wait(State::at_warp_barrier, operation);
    const auto result = read();
    wait(State::at_warp_barrier, operation);
    return result;
}

// A kernel's arguments as the driver receives them: pointers to each, or one packed buffer.
struct ArgumentReader {
    void** pointers;
    const char* packed;
    size_t used = 0;

    template <class T>
    T next() {
        T value;
        if (pointers != nullptr) {
            std::memcpy(&value, pointers[used++], sizeof value);
            return value;
        }
        used = (used + alignof(T) - 1) / alignof(T) * alignof(T);
        std::memcpy(&value, packed + used, sizeof value);
        used += sizeof value;
        return value;
    }
};

template <class... Arguments>
void call(void (*kernel)(Arguments...), const unsigned* grid, const unsigned* block,
          void** pointers, const char* packed) {
    ArgumentReader reader = {pointers, packed};
    // Braces, unlike parentheses, read from left to right.
    const std::tuple<Arguments...> arguments{reader.next<Arguments>()...};
    launch(dim3(grid[0], grid[1], grid[2]), dim3(block[0], block[1], block[2]),
           [&] { std::apply(kernel, arguments); });
}

}  // namespace cuda_on_host

#define threadIdx (cuda_on_host::device.thread)
#define blockIdx (cuda_on_host::device.block)
#define blockDim (cuda_on_host::device.block_size)
#define gridDim (cuda_on_host::device.grid_size)

inline void __syncthreads() {
    cuda_on_host::wait(cuda_on_host::State::at_block_barrier, "__syncthreads");
}
inline void __syncwarp(unsigned mask = 0xffffffffu) {
    cuda_on_host::require_full(mask);
    cuda_on_host::wait(cuda_on_host::State::at_warp_barrier, "__syncwarp");
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int flip) {
    return cuda_on_host::exchange(mask, value, "__shfl_xor_sync", [=] {
        return cuda_on_host::offered_by<T>(cuda_on_host::lane() ^ flip);
    });
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, int distance) {
    return cuda_on_host::exchange(mask, value, "__shfl_up_sync", [=] {
        const int source = cuda_on_host::lane() - distance;
        return cuda_on_host::offered_by<T>(source >= 0 ? source : cuda_on_host::lane());
    });
}
inline unsigned __ballot_sync(unsigned mask, bool vote) {
    return cuda_on_host::exchange(mask, static_cast<int>(vote), "__ballot_sync", [] {
        unsigned votes = 0;
        for (int lane = 0; lane < 32; ++lane)
            votes |= static_cast<unsigned>(cuda_on_host::offered_by<int>(lane) != 0) << lane;
        return votes;
    });
}

template <class T>
T atomicAdd(T* place, T value) {
    const T before = *place;
    *place = before + value;
    return before;
}
template <class T>
T atomicMax(T* place, T value) {
    const T before = *place;
    *place = std::max(before, value);
    return before;
}

using std::max;
using std::min;
inline int __popc(unsigned bits) { return __builtin_popcount(bits); }
inline unsigned __float_as_uint(float value) {
    unsigned bits;
    std::memcpy(&bits, &value, sizeof bits);
    return bits;
}
inline float __uint_as_float(unsigned bits) {
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

// 16 x 16 x 16 matrix operations.  Fragments are opaque to kernels, so lane 0 holds and computes
// all; a kernel that reads what was stored without a barrier still reads too early in one order.
namespace nvcuda {
namespace wmma {
struct row_major {};
struct col_major {};
struct matrix_a {};
struct matrix_b {};
struct accumulator {};
enum layout_t { mem_row_major, mem_col_major };

template <class Use, int M, int N, int K, class T, class Layout = void>
struct fragment {
    static_assert(M == 16 && N == 16 && K == 16, "only 16 x 16 x 16");
    float value[16][16];
};

inline bool leads() {
    ++cuda_on_host::self().collective_count;
    return cuda_on_host::lane() == 0;
}
inline void require_aligned(const void* place) {
    if (reinterpret_cast<uintptr_t>(place) % 32 != 0)
        cuda_on_host::stop("wmma needs memory aligned to 32 bytes");
}
template <class Use, class T, class Layout>
void fill_fragment(fragment<Use, 16, 16, 16, T, Layout>& target, T value) {
    if (leads()) std::fill_n(&target.value[0][0], 256, static_cast<float>(value));
}
template <class Use, class Layout>
void load_matrix_sync(fragment<Use, 16, 16, 16, __half, Layout>& target, const __half* source,
                      unsigned stride) {
    if (!leads()) return;
    require_aligned(source);
    const bool by_column = std::is_same<Layout, col_major>::value;
    for (int row = 0; row < 16; ++row)
        for (int column = 0; column < 16; ++column)
            target.value[row][column] = __half2float(
                source[by_column ? column * stride + row : row * stride + column]);
}
template <class A, class B, class C>
void mma_sync(C& result, const A& a, const B& b, const C& c) {
    if (!leads()) return;
    C sum = c;
    for (int row = 0; row < 16; ++row)
        for (int k = 0; k < 16; ++k)
            for (int column = 0; column < 16; ++column)
                sum.value[row][column] += a.value[row][k] * b.value[k][column];
    result = sum;
}
template <class F>
void store_matrix_sync(float* target, const F& source, unsigned stride, layout_t layout) {
    if (!leads()) return;
    require_aligned(target);
    for (int row = 0; row < 16; ++row)
        for (int column = 0; column < 16; ++column)
            target[layout == mem_row_major ? row * stride + column : column * stride + row] =
                source.value[row][column];
}
}  // namespace wmma
}  // namespace nvcuda

// Order of fibers and blocks: 0 forwards, 1 backwards.
extern "C" inline __attribute__((used)) void cuda_on_host_reverse(int reversed) {
    cuda_on_host::device.reversed = reversed != 0;
}

// The entry a fake driver or a test calls; one line a kernel.
#define CUDA_ON_HOST_KERNEL(name)                                                               \
    extern "C" void launch_##name(const unsigned* grid, const unsigned* block, unsigned long,   \
                                  void** pointers, const char* packed) {                        \
        cuda_on_host::call(name, grid, block, pointers, packed);                                \
    }
