"""CUDA 12.6's compiler (JetPack 6's) from PyPI, without the toolkit: ``compile_with_nvrtc``."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from pathlib import Path

__all__ = ["compile_with_nvrtc", "install_nvrtc"]

_WHEELS = (
    "nvidia-cuda-nvrtc-cu12==12.6.*",
    "nvidia-cuda-runtime-cu12==12.6.*",  # cuda_fp16.h, mma.h
    "nvidia-cuda-nvcc-cu12==12.6.*",  # crt/mma.h
)


def install_nvrtc() -> Path:
    """Return the folder that holds the wheels; they come from the package registry once."""
    folder = Path(sys.prefix) / "nvrtc-12.6"
    if not (folder / "nvidia" / "cuda_nvcc" / "include" / "crt" / "mma.h").is_file():
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
        command += ["--target", str(folder), *_WHEELS]
        subprocess.run(command, check=True)
    return folder / "nvidia"


def compile_with_nvrtc(wheels: Path, sources: Path, architecture: str) -> tuple[bytes, str]:
    """Return the cubin of ``kernels.cu`` in the folder ``sources``, and what ptxas said."""
    library = ctypes.CDLL(str(wheels / "cuda_nvrtc" / "lib" / "libnvrtc.so.12"))
    program = ctypes.c_void_p()
    text = (sources / "kernels.cu").read_bytes()
    library.nvrtcCreateProgram(ctypes.byref(program), text, b"kernels.cu", 0, None, None)
    includes = [sources, wheels / "cuda_runtime" / "include", wheels / "cuda_nvcc" / "include"]
    options = [f"--gpu-architecture={architecture}", "--std=c++17", "--ptxas-options=-v"]
    options += [f"-I{include}" for include in includes]
    encoded = (ctypes.c_char_p * len(options))(*(option.encode() for option in options))
    failed = library.nvrtcCompileProgram(program, len(options), encoded)
    log = _read(library, "ProgramLog", program).decode()
    assert not failed, log
    return _read(library, "CUBIN", program), log


def _read(library: ctypes.CDLL, what: str, program: ctypes.c_void_p) -> bytes:
    size = ctypes.c_size_t()
    getattr(library, f"nvrtcGet{what}Size")(program, ctypes.byref(size))
    data = ctypes.create_string_buffer(size.value)
    getattr(library, f"nvrtcGet{what}")(program, data)
    return data.raw
