"""Two stand-ins for NVIDIA's ``libcuda.so.1``, for machines without a GPU.

- the **stub** has every function and answers "no device": pycuda links against it, and our code
  takes its way for a machine without a GPU;
- the **fake** (``fake_driver.c``) has one device whose memory is this process's: unmodified pycuda
  allocates, copies, captures graphs and launches kernels that were compiled for the CPU.
"""

from __future__ import annotations

from pathlib import Path

from gpu.toolkit import compile_library, driver_functions

__all__ = ["build_fake_driver", "build_stub_driver"]

NO_DEVICE = 100  # CUDA_ERROR_NO_DEVICE
NOT_SUPPORTED = 801  # CUDA_ERROR_NOT_SUPPORTED
_STUB_BODIES = {
    "cuDriverGetVersion": "*(int *)a = 13000; return 0;",
    "cuGetErrorString": '*(const char **)b = "no CUDA-capable device (stub driver)"; return 0;',
    "cuGetErrorName": '*(const char **)b = "CUDA_ERROR_NO_DEVICE"; return 0;',
}


def build_stub_driver(folder: Path, root: Path) -> Path:
    """Return the stub in ``folder``, with the link ``libcuda.so`` that a linker looks for."""
    functions = [
        f"int {name}(void *a, void *b) {{ {_STUB_BODIES.get(name, f'return {NO_DEVICE};')} }}"
        for name in driver_functions(root)
    ]
    source = folder / "stub_driver.c"
    source.write_text("\n".join(functions) + "\n", encoding="utf-8")
    library = folder / "libcuda.so.1"
    compile_library(library, [source])
    link = folder / "libcuda.so"
    link.unlink(missing_ok=True)
    link.symlink_to(library.name)
    return library


def build_fake_driver(folder: Path, root: Path) -> Path:
    """Return the fake in ``folder``; functions it does not have say so and fail."""
    # Weak, so that those of fake_driver.c win at link time.
    rest = [
        f"__attribute__((weak)) int {name}(void) {{ "
        f'fprintf(stderr, "fake driver: {name} is missing\\n"); return {NOT_SUPPORTED}; }}'
        for name in driver_functions(root)
    ]
    source = folder / "missing_functions.c"
    source.write_text("#include <stdio.h>\n" + "\n".join(rest) + "\n", encoding="utf-8")
    library = folder / "libcuda.so.1"
    written = Path(__file__).with_name("fake_driver.c")
    compile_library(library, [written, source], f"-I{root / 'include'}", "-ldl", "-Wall")
    return library
