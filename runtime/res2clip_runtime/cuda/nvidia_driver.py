"""What the NVIDIA driver says of itself and its GPUs, without any package of NVIDIA's."""

from __future__ import annotations

import ctypes
import re
from dataclasses import dataclass
from pathlib import Path

__all__ = ["DRIVER", "Gpu", "NvidiaDriver", "ask_driver"]

DRIVER = "libcuda.so.1"

_RELEASE = Path("/proc/driver/nvidia/version")

# CUdevice_attribute, cuda.h
_CAPABILITY_MAJOR = 75
_CAPABILITY_MINOR = 76


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """One GPU that the driver lists."""

    name: str
    """Its name; empty if it did not answer."""
    architecture: str
    """Compute capability, such as ``sm_87``."""
    error: int = 0
    """The driver's error, if it did not answer."""

    def __str__(self) -> str:
        return f"{self.name}, {self.architecture}"


@dataclass(frozen=True, slots=True, kw_only=True)
class NvidiaDriver:
    """The driver's answer."""

    cuda: str = ""
    """Newest CUDA that it serves, such as ``12.4``."""
    release: str = ""
    """Its own release, such as ``550.54.15``; empty where the kernel does not tell."""
    gpus: tuple[Gpu, ...] = ()
    """In its order."""
    problem: str = ""
    """Why there is no GPU; empty if there is one."""

    def __str__(self) -> str:
        """Return the first GPU, the one engines use, and the driver; empty without a GPU."""
        if not self.gpus:
            return ""
        release = f" {self.release}" if self.release else ""
        return f"{self.gpus[0]}, driver{release} up to CUDA {self.cuda}"


def ask_driver(driver: str = DRIVER) -> NvidiaDriver:
    """Return what the driver says; never raises."""
    try:
        cuda = ctypes.CDLL(driver)
    except OSError:
        return NvidiaDriver(
            problem="no NVIDIA driver (libcuda.so.1); the CPU engines need none",
        )
    if error := cuda.cuInit(0):
        return NvidiaDriver(problem=f"the NVIDIA driver refuses (cuInit: error {error})")
    version, count = ctypes.c_int(), ctypes.c_int()
    cuda.cuDriverGetVersion(ctypes.byref(version))
    if error := cuda.cuDeviceGetCount(ctypes.byref(count)):
        return NvidiaDriver(
            problem=f"the NVIDIA driver lists no GPU (cuDeviceGetCount: error {error})"
        )
    return NvidiaDriver(
        cuda=f"{version.value // 1000}.{version.value % 1000 // 10}",
        release=_release(),
        gpus=tuple(_gpu(cuda, ordinal) for ordinal in range(count.value)),
        problem="" if count.value else "the NVIDIA driver lists no GPU",
    )


def _gpu(cuda: ctypes.CDLL, ordinal: int) -> Gpu:
    device, major, minor = ctypes.c_int(), ctypes.c_int(), ctypes.c_int()
    name = ctypes.create_string_buffer(256)
    error = (
        cuda.cuDeviceGet(ctypes.byref(device), ordinal)
        or cuda.cuDeviceGetName(name, len(name), device)
        or cuda.cuDeviceGetAttribute(ctypes.byref(major), _CAPABILITY_MAJOR, device)
        or cuda.cuDeviceGetAttribute(ctypes.byref(minor), _CAPABILITY_MINOR, device)
    )
    return Gpu(
        name="" if error else name.value.decode(errors="replace"),
        architecture=f"sm_{major.value}{minor.value}",
        error=error,
    )


def _release() -> str:
    try:
        text = _RELEASE.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    found = re.search(r"Kernel Module.*?\s(\d+(?:\.\d+)+)\s", text)
    return found[1] if found else ""
