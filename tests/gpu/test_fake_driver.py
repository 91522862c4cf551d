"""The fake driver itself, through unmodified pycuda: what later tests rely on."""

from __future__ import annotations

import subprocess


def test_pycuda_copies_there_and_back(on_fake_gpu):
    assert on_fake_gpu(copy_there_and_back) == [0, 1, 2, 3]


def copy_there_and_back() -> list[int]:
    import numpy as np
    import pycuda.driver as cuda

    cuda.init()
    context = cuda.Device(0).retain_primary_context()
    context.push()
    stream = cuda.Stream()
    source, result = np.arange(4, dtype=np.int32), np.zeros(4, np.int32)
    device = cuda.mem_alloc(source.nbytes)
    cuda.memcpy_htod_async(device, source, stream)
    cuda.memcpy_dtoh_async(result, device, stream)
    stream.synchronize()
    context.pop()
    return result.tolist()


def test_use_after_free_and_overruns_fail(on_fake_gpu):
    overrun, after_free = on_fake_gpu(break_the_rules)
    assert "illegal memory access" in overrun
    assert "illegal memory access" in after_free


def break_the_rules() -> list[str]:
    import numpy as np
    import pycuda.driver as cuda

    cuda.init()
    context = cuda.Device(0).retain_primary_context()
    context.push()
    said = []
    device = cuda.mem_alloc(64)
    address = int(device)
    for count in (128, 8):
        try:
            cuda.memcpy_dtoh(np.zeros(count, np.uint8), address)
        except cuda.Error as err:
            said.append(str(err))
        if count == 128:
            device.free()
    context.pop()
    return said


def test_a_chosen_call_fails_and_the_next_does_not(on_fake_gpu):
    assert on_fake_gpu(second_allocation_fails) == ["ok", "MemoryError", "ok"]


def second_allocation_fails() -> list[str]:
    import pycuda.driver as cuda

    from gpu.fake_cuda import OUT_OF_MEMORY, FakeDriver

    cuda.init()
    context = cuda.Device(0).retain_primary_context()
    context.push()
    FakeDriver().fail("cuMemAlloc_v2", OUT_OF_MEMORY, nth=2, times=2)
    said = []
    for _ in range(3):
        try:
            cuda.mem_alloc(8).free()
            said.append("ok")
        except cuda.Error as err:
            said.append(type(err).__name__)
    context.pop()
    return said


def test_kernels_compiled_for_the_cpu_are_launched(on_fake_gpu, tmp_path):
    source = tmp_path / "double.c"
    source.write_text(
        "void launch_doubled(unsigned *grid, unsigned *block, unsigned long shared,"
        " void **params, char *packed) {"
        " float *x = *(float **)packed; int n = *(int *)(packed + 8);"
        " for (int i = 0; i < n; i++) x[i] *= 2; }"
    )
    library = tmp_path / "double.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, source], check=True)
    assert on_fake_gpu(double_by_kernel, str(library)) == [[2.0, 4.0, 6.0], {}]


def double_by_kernel(library: str) -> list:
    import numpy as np
    import pycuda.driver as cuda

    from gpu.fake_cuda import FakeDriver

    cuda.init()
    context = cuda.Device(0).retain_primary_context()
    context.push()
    module = cuda.module_from_buffer(f"CUHOST:{library}\0".encode())
    values = np.array([1, 2, 3], np.float32)
    device = cuda.mem_alloc(values.nbytes)
    cuda.memcpy_htod(device, values)
    module.get_function("doubled")(device, np.int32(3), block=(32, 1, 1), grid=(1, 1))
    cuda.memcpy_dtoh(values, device)
    device.free()
    del module
    context.pop()
    del context
    return [values.tolist(), FakeDriver().live()]


def test_a_captured_stream_does_its_work_at_each_launch_of_the_graph(on_fake_gpu):
    assert on_fake_gpu(capture_and_replay) == [7, 7, 9]


def capture_and_replay() -> list[int]:
    import ctypes

    import numpy as np
    import pycuda.driver as cuda

    cuda.init()
    context = cuda.Device(0).retain_primary_context()
    context.push()
    driver = ctypes.CDLL("libcuda.so.1")
    stream = cuda.Stream()
    handle = ctypes.c_void_p(stream.handle)
    source = cuda.pagelocked_empty(1, np.int32)
    result = cuda.pagelocked_empty(1, np.int32)
    source[0], result[0] = 1, 7
    device = cuda.mem_alloc(4)
    driver.cuStreamBeginCapture_v2(handle, 0)
    cuda.memcpy_htod_async(device, source, stream)
    cuda.memcpy_dtoh_async(result, device, stream)
    graph, executable = ctypes.c_void_p(), ctypes.c_void_p()
    driver.cuStreamEndCapture(handle, ctypes.byref(graph))
    seen = [int(result[0])]
    driver.cuGraphInstantiateWithFlags(ctypes.byref(executable), graph, ctypes.c_ulonglong(0))
    seen.append(int(result[0]))
    source[0] = 9
    driver.cuGraphLaunch(executable, handle)
    seen.append(int(result[0]))
    device.free()
    context.pop()
    return seen


def test_the_stub_driver_has_no_device(on_stub_gpu):
    assert "cuInit failed" in on_stub_gpu(init_fails)


def init_fails() -> str:
    import pycuda.driver as cuda

    try:
        cuda.init()
    except cuda.Error as err:
        return str(err)
    return "no error"
