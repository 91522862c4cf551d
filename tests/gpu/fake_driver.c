/* A CUDA driver without a GPU: one device whose memory is this process's memory.
 *
 * What it does for real: allocate, copy and set memory (every address is checked against the live
 * allocations, so use after free and overruns fail as they do on a device), events, the primary
 * context, streams, graph capture and replay, and launches of kernels compiled for the CPU.
 * Work on a stream is done at once, except while the stream is captured: then it is noted and done
 * by cuGraphLaunch.
 *
 * A module image is the text "CUHOST:" and the path of a shared library.  Kernel k of it is the
 * function
 *     void launch_k(unsigned grid[3], unsigned block[3], unsigned long shared_bytes,
 *                   void **params, char *packed);
 * where one of params (cuLaunchKernel's kernelParams) and packed (its packed argument buffer) is
 * null.
 *
 * For tests: fake_fail makes calls of a function fail from the n-th on, fake_calls counts calls, fake_live
 * counts what has been made and not yet freed.  One thread at a time.
 */
#include <cuda.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- calls: counted, and failed on request ---------------------------------------------- */

typedef struct {
    const char *name;
    long calls;
    long fail_from, fail_until; /* calls [from, until) fail; the first call is 1 */
    CUresult result;
} Function;

static Function functions[256];
static int function_count;

static Function *function_named(const char *name) {
    for (int i = 0; i < function_count; i++)
        if (!strcmp(functions[i].name, name)) return &functions[i];
    if (function_count == 256) abort();
    functions[function_count].name = strdup(name);
    return &functions[function_count++];
}

static CUresult enter(const char *name) {
    Function *function = function_named(name);
    function->calls++;
    if (function->calls < function->fail_from || function->calls >= function->fail_until)
        return CUDA_SUCCESS;
    return function->result;
}

/* The first statement of every function; __func__ is the versioned name, such as cuMemAlloc_v2. */
#define ENTER                                   \
    do {                                        \
        CUresult injected = enter(__func__);    \
        if (injected) return injected;          \
    } while (0)

/* From the n-th call from now on, so many calls of the function fail with this result. */
void fake_fail(const char *name, long nth, long times, int result) {
    Function *function = function_named(name);
    function->fail_from = function->calls + nth;
    function->fail_until = function->fail_from + times;
    function->result = (CUresult)result;
}

long fake_calls(const char *name) { return function_named(name)->calls; }

/* Write the names of the functions called so far, one a line; return the bytes needed. */
long fake_called(char *text, long size) {
    long used = 0;
    for (int i = 0; i < function_count; i++) {
        if (!functions[i].calls) continue;
        long length = (long)strlen(functions[i].name) + 1;
        if (used + length < size) sprintf(text + used, "%s\n", functions[i].name);
        used += length;
    }
    return used + 1;
}

/* ---- what is alive ------------------------------------------------------------------------ */

enum Kind { DEVICE_MEMORY, HOST_MEMORY, STREAM, EVENT, MODULE, CONTEXT, GRAPH, GRAPH_EXEC, KINDS };
static long live[KINDS];

/* 0 device memory, 1 pinned host memory, 2 streams, 3 events, 4 modules, 5 primary context
 * references, 6 graphs, 7 executable graphs. */
long fake_live(int kind) { return live[kind]; }

typedef struct Allocation {
    struct Allocation *next;
    enum Kind kind;
    char *start;
    size_t bytes;
} Allocation;

static Allocation *allocations;

static CUresult allocate(enum Kind kind, size_t bytes, void **start) {
    if (!bytes) return CUDA_ERROR_INVALID_VALUE;
    Allocation *made = malloc(sizeof *made);
    *made = (Allocation){allocations, kind, aligned_alloc(256, (bytes + 255) / 256 * 256), bytes};
    if (!made->start) return CUDA_ERROR_OUT_OF_MEMORY;
    memset(made->start, 0xA5, bytes); /* what was never written must not look like zeros */
    allocations = made;
    live[kind]++;
    *start = made->start;
    return CUDA_SUCCESS;
}

static CUresult release(enum Kind kind, void *start) {
    for (Allocation **at = &allocations; *at; at = &(*at)->next) {
        Allocation *found = *at;
        if (found->start != start || found->kind != kind) continue;
        *at = found->next;
        memset(found->start, 0xDD, found->bytes);
        free(found->start);
        free(found);
        live[kind]--;
        return CUDA_SUCCESS;
    }
    return CUDA_ERROR_INVALID_VALUE;
}

static int on_device(const void *start, size_t bytes) {
    const char *first = start;
    for (Allocation *at = allocations; at; at = at->next)
        if (at->kind == DEVICE_MEMORY && first >= at->start &&
            first + bytes <= at->start + at->bytes)
            return 1;
    return 0;
}

/* Whether a device address range lies in live memory; for tests that compute on it. */
int fake_on_device(void *start, size_t bytes) { return on_device(start, bytes); }

/* ---- operations: done at once, or noted in a captured graph -------------------------------- */

typedef struct Operation {
    struct Operation *next;
    enum { COPY, SET, LAUNCH, CALL } kind;
    char *to;
    const char *from;
    size_t bytes;
    int to_device, from_device;
    unsigned value, width;
    void *function, *data;
    unsigned grid[3], block[3];
    unsigned long shared;
} Operation;

typedef struct {
    Operation *first, **last;
} Graph;

typedef struct {
    Graph *captured;
} Stream;

typedef void (*Kernel)(unsigned *, unsigned *, unsigned long, void **, char *);

static CUresult perform(const Operation *op, void **params) {
    if (op->to_device && !on_device(op->to, op->bytes)) return CUDA_ERROR_ILLEGAL_ADDRESS;
    if (op->from_device && !on_device(op->from, op->bytes)) return CUDA_ERROR_ILLEGAL_ADDRESS;
    switch (op->kind) {
        case COPY: memmove(op->to, op->from, op->bytes); break;
        case SET:
            for (size_t i = 0; i < op->bytes; i += op->width)
                memcpy(op->to + i, &op->value, op->width);
            break;
        case LAUNCH:
            ((Kernel)op->function)((unsigned *)op->grid, (unsigned *)op->block, op->shared, params,
                                   op->data);
            break;
        case CALL: ((CUhostFn)op->function)(op->data); break;
    }
    return CUDA_SUCCESS;
}

static CUresult submit(CUstream stream, Operation op) {
    Graph *graph = stream ? ((Stream *)stream)->captured : NULL;
    if (!graph) return perform(&op, NULL);
    Operation *noted = malloc(sizeof *noted);
    *noted = op;
    noted->next = NULL;
    if (op.kind == LAUNCH) { /* the caller's buffer is gone by the time of the replay */
        noted->data = malloc(op.bytes ? op.bytes : 1);
        memcpy(noted->data, op.data, op.bytes);
        noted->bytes = 0;
    }
    *graph->last = noted;
    graph->last = &noted->next;
    return CUDA_SUCCESS;
}

/* ---- driver, device, context --------------------------------------------------------------- */

CUresult cuInit(unsigned flags) { ENTER; return CUDA_SUCCESS; }
CUresult cuDriverGetVersion(int *version) { ENTER; *version = CUDA_VERSION; return CUDA_SUCCESS; }
CUresult cuDeviceGetCount(int *count) { ENTER; *count = 1; return CUDA_SUCCESS; }

CUresult cuDeviceGet(CUdevice *device, int ordinal) {
    ENTER;
    *device = 0;
    return ordinal ? CUDA_ERROR_INVALID_DEVICE : CUDA_SUCCESS;
}

CUresult cuDeviceGetName(char *name, int size, CUdevice device) {
    ENTER;
    snprintf(name, size, "Fake device (sm_87)");
    return CUDA_SUCCESS;
}

CUresult cuDeviceTotalMem(size_t *bytes, CUdevice device) {
    ENTER;
    *bytes = (size_t)8 << 30;
    return CUDA_SUCCESS;
}

CUresult cuDeviceGetPCIBusId(char *text, int size, CUdevice device) {
    ENTER;
    snprintf(text, size, "0000:01:00.0");
    return CUDA_SUCCESS;
}

CUresult cuDeviceGetAttribute(int *value, CUdevice_attribute which, CUdevice device) {
    ENTER;
    switch (which) {
        case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR: *value = 8; break;
        case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR: *value = 7; break;
        case CU_DEVICE_ATTRIBUTE_WARP_SIZE: *value = 32; break;
        case CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT: *value = 16; break;
        case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK: *value = 1024; break;
        case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK: *value = 48 << 10; break;
        case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN: *value = 163 << 10; break;
        default: *value = 1;
    }
    return CUDA_SUCCESS;
}

CUresult cuDeviceComputeCapability(int *major, int *minor, CUdevice device) {
    ENTER;
    *major = 8;
    *minor = 7;
    return CUDA_SUCCESS;
}

#define PRIMARY ((CUcontext)1)
enum { STACK = 4096 };
static CUcontext stack[STACK];
static int depth;

CUresult cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice device) {
    ENTER;
    *context = PRIMARY;
    live[CONTEXT]++;
    return CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxRelease(CUdevice device) {
    ENTER;
    if (live[CONTEXT] == 0) return CUDA_ERROR_INVALID_CONTEXT;
    live[CONTEXT]--;
    return CUDA_SUCCESS;
}

CUresult cuCtxPushCurrent(CUcontext context) {
    ENTER;
    if (depth == STACK) return CUDA_ERROR_OUT_OF_MEMORY;
    stack[depth++] = context;
    return CUDA_SUCCESS;
}

CUresult cuCtxPopCurrent(CUcontext *context) {
    ENTER;
    if (!depth) return CUDA_ERROR_INVALID_CONTEXT;
    depth--;
    if (context) *context = stack[depth];
    return CUDA_SUCCESS;
}

CUresult cuCtxSetCurrent(CUcontext context) {
    ENTER;
    if (depth) depth--;
    if (context) stack[depth++] = context;
    return CUDA_SUCCESS;
}

CUresult cuCtxGetCurrent(CUcontext *context) {
    ENTER;
    *context = depth ? stack[depth - 1] : NULL;
    return CUDA_SUCCESS;
}

CUresult cuCtxGetDevice(CUdevice *device) {
    ENTER;
    *device = 0;
    return depth ? CUDA_SUCCESS : CUDA_ERROR_INVALID_CONTEXT;
}

CUresult cuCtxGetApiVersion(CUcontext context, unsigned *version) {
    ENTER;
    *version = CUDA_VERSION;
    return CUDA_SUCCESS;
}

#if CUDA_VERSION >= 13000
CUresult cuCtxCreate(CUcontext *context, CUctxCreateParams *params, unsigned flags, CUdevice device) {
    ENTER;
    *context = (CUcontext)2;
    live[CONTEXT]++;
    return cuCtxPushCurrent(*context);
}
#endif

CUresult cuCtxDestroy(CUcontext context) { ENTER; live[CONTEXT]--; return CUDA_SUCCESS; }
CUresult cuCtxDetach(CUcontext context) { ENTER; live[CONTEXT]--; return CUDA_SUCCESS; }
CUresult cuCtxSynchronize(void) { ENTER; return CUDA_SUCCESS; }

CUresult cuGetErrorName(CUresult error, const char **name) {
    static char text[40];
    snprintf(text, sizeof text, "CUDA_ERROR_%d", (int)error);
    *name = text;
    return CUDA_SUCCESS;
}

CUresult cuGetErrorString(CUresult error, const char **text) {
    *text = error == CUDA_ERROR_OUT_OF_MEMORY ? "out of memory"
            : error == CUDA_ERROR_ILLEGAL_ADDRESS ? "an illegal memory access was encountered"
            : error == CUDA_ERROR_LAUNCH_FAILED ? "unspecified launch failure"
                                                : "error of the fake driver";
    return CUDA_SUCCESS;
}

/* ---- memory -------------------------------------------------------------------------------- */

CUresult cuMemAlloc(CUdeviceptr *start, size_t bytes) {
    ENTER;
    return allocate(DEVICE_MEMORY, bytes, (void **)start);
}

CUresult cuMemFree(CUdeviceptr start) { ENTER; return release(DEVICE_MEMORY, (void *)start); }

CUresult cuMemHostAlloc(void **start, size_t bytes, unsigned flags) {
    ENTER;
    return allocate(HOST_MEMORY, bytes, start);
}

CUresult cuMemAllocHost(void **start, size_t bytes) {
    ENTER;
    return allocate(HOST_MEMORY, bytes, start);
}

CUresult cuMemFreeHost(void *start) { ENTER; return release(HOST_MEMORY, start); }

CUresult cuMemGetInfo(size_t *free_bytes, size_t *total) {
    ENTER;
    *free_bytes = (size_t)6 << 30;
    *total = (size_t)8 << 30;
    return CUDA_SUCCESS;
}

/* A macro cannot paste a name that is itself one of cuda.h's macros. */
#undef cuMemcpyHtoD
#undef cuMemcpyHtoDAsync
#undef cuMemcpyDtoH
#undef cuMemcpyDtoHAsync
#undef cuMemcpyDtoD
#undef cuMemcpyDtoDAsync
#define COPY_FUNCTIONS(NAME, TO, TO_DEVICE, FROM, FROM_DEVICE)                                           \
    static CUresult copy_##NAME(TO to, FROM from, size_t bytes, CUstream stream) {                \
        Operation op = {.kind = COPY, .to = (char *)to, .from = (const char *)from,               \
                        .bytes = bytes, .to_device = TO_DEVICE, .from_device = FROM_DEVICE};      \
        return submit(stream, op);                                                                \
    }                                                                                             \
    CUresult NAME##_v2(TO to, FROM from, size_t bytes) {                                          \
        ENTER;                                                                                    \
        return copy_##NAME(to, from, bytes, NULL);                                                \
    }                                                                                             \
    CUresult NAME##Async_v2(TO to, FROM from, size_t bytes, CUstream stream) {                    \
        ENTER;                                                                                    \
        return copy_##NAME(to, from, bytes, stream);                                              \
    }
COPY_FUNCTIONS(cuMemcpyHtoD, CUdeviceptr, 1, const void *, 0)
COPY_FUNCTIONS(cuMemcpyDtoH, void *, 0, CUdeviceptr, 1)
COPY_FUNCTIONS(cuMemcpyDtoD, CUdeviceptr, 1, CUdeviceptr, 1)

static CUresult set(CUdeviceptr to, unsigned value, unsigned width, size_t count, CUstream stream) {
    Operation op = {.kind = SET, .to = (char *)to, .bytes = count * width, .to_device = 1,
                    .value = value, .width = width};
    return submit(stream, op);
}

CUresult cuMemsetD8(CUdeviceptr to, unsigned char value, size_t count) {
    ENTER;
    return set(to, value, 1, count, NULL);
}

CUresult cuMemsetD8Async(CUdeviceptr to, unsigned char value, size_t count, CUstream stream) {
    ENTER;
    return set(to, value, 1, count, stream);
}

CUresult cuMemsetD32(CUdeviceptr to, unsigned value, size_t count) {
    ENTER;
    return set(to, value, 4, count, NULL);
}

CUresult cuMemsetD32Async(CUdeviceptr to, unsigned value, size_t count, CUstream stream) {
    ENTER;
    return set(to, value, 4, count, stream);
}

/* ---- streams, events, graphs ----------------------------------------------------------------- */

CUresult cuStreamCreate(CUstream *stream, unsigned flags) {
    ENTER;
    *stream = calloc(1, sizeof(Stream));
    live[STREAM]++;
    return CUDA_SUCCESS;
}

CUresult cuStreamDestroy(CUstream stream) {
    ENTER;
    free(stream);
    live[STREAM]--;
    return CUDA_SUCCESS;
}

CUresult cuStreamSynchronize(CUstream stream) { ENTER; return CUDA_SUCCESS; }
CUresult cuStreamQuery(CUstream stream) { ENTER; return CUDA_SUCCESS; }
CUresult cuStreamWaitEvent(CUstream s, CUevent e, unsigned flags) { ENTER; return CUDA_SUCCESS; }

CUresult cuLaunchHostFunc(CUstream stream, CUhostFn function, void *data) {
    ENTER;
    return submit(stream, (Operation){.kind = CALL, .function = (void *)function, .data = data});
}

CUresult cuEventCreate(CUevent *event, unsigned flags) {
    ENTER;
    *event = calloc(1, sizeof(struct timespec));
    live[EVENT]++;
    return CUDA_SUCCESS;
}

CUresult cuEventDestroy(CUevent event) {
    ENTER;
    free(event);
    live[EVENT]--;
    return CUDA_SUCCESS;
}

CUresult cuEventRecord(CUevent event, CUstream stream) {
    ENTER;
    clock_gettime(CLOCK_MONOTONIC, (struct timespec *)event);
    return CUDA_SUCCESS;
}

CUresult cuEventSynchronize(CUevent event) { ENTER; return CUDA_SUCCESS; }
CUresult cuEventQuery(CUevent event) { ENTER; return CUDA_SUCCESS; }

CUresult cuEventElapsedTime(float *milliseconds, CUevent start, CUevent end) {
    ENTER;
    struct timespec *a = (struct timespec *)start, *b = (struct timespec *)end;
    *milliseconds = (b->tv_sec - a->tv_sec) * 1e3f + (b->tv_nsec - a->tv_nsec) * 1e-6f;
    return CUDA_SUCCESS;
}

CUresult cuStreamBeginCapture(CUstream stream, CUstreamCaptureMode mode) {
    ENTER;
    if (!stream || ((Stream *)stream)->captured) return CUDA_ERROR_ILLEGAL_STATE;
    Graph *graph = calloc(1, sizeof *graph);
    graph->last = &graph->first;
    ((Stream *)stream)->captured = graph;
    return CUDA_SUCCESS;
}

CUresult cuStreamEndCapture(CUstream stream, CUgraph *graph) {
    Graph *captured = ((Stream *)stream)->captured;
    ((Stream *)stream)->captured = NULL; /* a capture that fails has ended, too */
    ENTER;
    if (!captured) return CUDA_ERROR_ILLEGAL_STATE;
    *graph = (CUgraph)captured;
    live[GRAPH]++;
    return CUDA_SUCCESS;
}

CUresult cuGraphInstantiateWithFlags(CUgraphExec *exec, CUgraph graph, unsigned long long flags) {
    ENTER;
    *exec = (CUgraphExec)graph; /* the operations stay with the graph: this fake never frees them */
    live[GRAPH_EXEC]++;
    return CUDA_SUCCESS;
}

CUresult cuGraphLaunch(CUgraphExec exec, CUstream stream) {
    ENTER;
    for (Operation *op = ((Graph *)exec)->first; op; op = op->next) {
        CUresult result = perform(op, NULL);
        if (result) return result;
    }
    return CUDA_SUCCESS;
}

CUresult cuGraphDestroy(CUgraph graph) { ENTER; live[GRAPH]--; return CUDA_SUCCESS; }
CUresult cuGraphExecDestroy(CUgraphExec exec) { ENTER; live[GRAPH_EXEC]--; return CUDA_SUCCESS; }

/* ---- modules and kernels ------------------------------------------------------------------- */

static CUresult load(CUmodule *module, const char *image) {
    if (strncmp(image, "CUHOST:", 7)) return CUDA_ERROR_NO_BINARY_FOR_GPU;
    void *library = dlopen(image + 7, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        fprintf(stderr, "fake driver: %s\n", dlerror());
        return CUDA_ERROR_INVALID_IMAGE;
    }
    *module = library;
    live[MODULE]++;
    return CUDA_SUCCESS;
}

CUresult cuModuleLoadData(CUmodule *module, const void *image) { ENTER; return load(module, image); }

/* Like a driver that has nothing to tell: pycuda reads its logs also when loading fails. */
static void empty_logs(unsigned count, const CUjit_option *options, void **values) {
    for (unsigned i = 0; i < count; i++) {
        if (options[i] == CU_JIT_INFO_LOG_BUFFER || options[i] == CU_JIT_ERROR_LOG_BUFFER)
            *(char *)values[i] = 0;
        if (options[i] == CU_JIT_INFO_LOG_BUFFER_SIZE_BYTES ||
            options[i] == CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES)
            values[i] = NULL;
    }
}

CUresult cuModuleLoadDataEx(CUmodule *module, const void *image, unsigned count,
                            CUjit_option *options, void **values) {
    empty_logs(count, options, values);
    ENTER;
    return load(module, image);
}

CUresult cuModuleUnload(CUmodule module) {
    ENTER;
    dlclose(module);
    live[MODULE]--;
    return CUDA_SUCCESS;
}

CUresult cuModuleGetFunction(CUfunction *function, CUmodule module, const char *name) {
    ENTER;
    char symbol[256];
    snprintf(symbol, sizeof symbol, "launch_%s", name);
    *function = dlsym(module, symbol);
    return *function ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND;
}

CUresult cuFuncGetAttribute(int *value, CUfunction_attribute which, CUfunction function) {
    ENTER;
    *value = which == CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK ? 1024 : 0;
    return CUDA_SUCCESS;
}

CUresult cuFuncSetAttribute(CUfunction function, CUfunction_attribute which, int value) {
    ENTER;
    return CUDA_SUCCESS;
}

CUresult cuFuncSetCacheConfig(CUfunction f, CUfunc_cache config) { ENTER; return CUDA_SUCCESS; }
CUresult cuFuncSetBlockShape(CUfunction f, int x, int y, int z) { ENTER; return CUDA_SUCCESS; }
CUresult cuFuncSetSharedSize(CUfunction f, unsigned bytes) { ENTER; return CUDA_SUCCESS; }

CUresult cuLaunchKernel(CUfunction function, unsigned grid_x, unsigned grid_y, unsigned grid_z,
                        unsigned block_x, unsigned block_y, unsigned block_z, unsigned shared,
                        CUstream stream, void **params, void **extra) {
    ENTER;
    if (!grid_x || !grid_y || !grid_z || !block_x || !block_y || !block_z ||
        (size_t)block_x * block_y * block_z > 1024)
        return CUDA_ERROR_INVALID_VALUE;
    Operation op = {.kind = LAUNCH, .function = function, .shared = shared,
                    .grid = {grid_x, grid_y, grid_z}, .block = {block_x, block_y, block_z}};
    for (int i = 0; extra && extra[i] != CU_LAUNCH_PARAM_END; i += 2) {
        if (extra[i] == CU_LAUNCH_PARAM_BUFFER_POINTER) op.data = extra[i + 1];
        if (extra[i] == CU_LAUNCH_PARAM_BUFFER_SIZE) op.bytes = *(size_t *)extra[i + 1];
    }
    if (!params) return submit(stream, op);
    /* Sizes of separate parameters are unknown, so they cannot be kept for a replay. */
    if (stream && ((Stream *)stream)->captured) return CUDA_ERROR_NOT_SUPPORTED;
    return perform(&op, params);
}
