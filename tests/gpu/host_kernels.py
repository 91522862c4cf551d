"""The kernels of ``csrc/`` built for the CPU (``host_shim/``), run on NumPy arrays."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from res2clip_runtime.kernels.launch import Launch

__all__ = ["CSRC", "HostKernels", "build_host_kernels"]

CSRC = Path(__file__).parents[2] / "runtime" / "res2clip_runtime" / "csrc"
_SHIM = Path(__file__).with_name("host_shim")
_SANITIZED = ("-fsanitize=undefined", "-fno-sanitize-recover=undefined", "-fno-sanitize=vptr")


def build_host_kernels(
    folder: Path,
    toolkit: Path,
    *,
    sanitized: bool = False,
    changed: Mapping[str, tuple[str, str]] | None = None,
) -> Path:
    """Return a shared library of the kernels, made in ``folder``.

    Args:
        folder: where to build.
        toolkit: a CUDA toolkit, for its headers.
        sanitized: undefined behaviour ends the process.
        changed: mutations: file of csrc -> (text that must be there, what replaces it).
    """
    sources = folder / "csrc"
    shutil.copytree(CSRC, sources)
    for name, (old, new) in (changed or {}).items():
        text = (sources / name).read_text(encoding="utf-8")
        assert old in text, f"{name} no longer holds {old!r}; change the mutation, too"
        (sources / name).write_text(text.replace(old, new), encoding="utf-8")
    library = folder / "kernels.so"
    command = ["g++", "-std=c++17", "-shared", "-fPIC", "-Wall", "-Wno-unknown-pragmas"]
    # nvcc lets wide loads read halves as uint4; g++ would call that aliasing.
    command += ["-fno-strict-aliasing"]
    command += ["-O1", *_SANITIZED] if sanitized else ["-O2"]
    command += [f"-I{sources}", f"-I{_SHIM}", f"-isystem{toolkit / 'include'}"]
    subprocess.run([*command, str(_SHIM / "kernels_on_host.cpp"), "-o", str(library)], check=True)
    return library


class HostKernels:
    """Runs plans on the CPU; arrays are the device's memory."""

    def __init__(self, library: Path, *, backwards: bool = False) -> None:
        self._library = ctypes.CDLL(str(library))
        self._backwards = backwards

    def run(self, launches: Sequence[Launch]) -> None:
        self._library.cuda_on_host_reverse(int(self._backwards))
        for launch in launches:
            self._run(launch)

    def _run(self, launch: Launch) -> None:
        values = [_as_passed(argument) for argument in launch.arguments]
        pointers = (ctypes.c_void_p * len(values))(*(value.ctypes.data for value in values))
        grid = (ctypes.c_uint * 3)(*launch.grid)
        block = (ctypes.c_uint * 3)(launch.threads, 1, 1)
        function = getattr(self._library, f"launch_{launch.kernel}")
        function(grid, block, ctypes.c_ulong(0), pointers, None)


def _as_passed(argument: object) -> np.ndarray:
    """Return the bytes that the kernel receives: an array's address, or the value itself."""
    if isinstance(argument, np.ndarray):
        assert argument.flags.c_contiguous
        return np.array([argument.ctypes.data], dtype=np.uintp)
    assert isinstance(argument, np.generic), f"{argument!r} has no defined size"
    return np.array([argument])
