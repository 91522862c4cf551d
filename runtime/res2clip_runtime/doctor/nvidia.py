"""The NVIDIA driver and its GPUs, asked of the driver itself."""

from __future__ import annotations

import ctypes

from res2clip_runtime.doctor.check import Check, Status

__all__ = ["check_nvidia"]

DRIVER = "libcuda.so.1"

# CUdevice_attribute, cuda.h
_CAPABILITY_MAJOR = 75
_CAPABILITY_MINOR = 76


def check_nvidia(driver: str = DRIVER) -> list[Check]:
    """Return every GPU that the driver lists, or why there is none."""
    try:
        cuda = ctypes.CDLL(driver)
    except OSError:
        return [_none("no NVIDIA driver (libcuda.so.1); the CPU engines need none")]
    if error := cuda.cuInit(0):
        return [_none(f"the NVIDIA driver refuses (cuInit: error {error})")]
    version, count = ctypes.c_int(), ctypes.c_int()
    cuda.cuDriverGetVersion(ctypes.byref(version))
    if error := cuda.cuDeviceGetCount(ctypes.byref(count)):
        return [_none(f"the NVIDIA driver lists no GPU (cuDeviceGetCount: error {error})")]
    if not count.value:
        return [_none("the NVIDIA driver lists no GPU")]
    cuda_version = f"{version.value // 1000}.{version.value % 1000 // 10}"
    return [_gpu(cuda, ordinal, cuda_version) for ordinal in range(count.value)]


def _gpu(cuda: ctypes.CDLL, ordinal: int, cuda_version: str) -> Check:
    device, major, minor = ctypes.c_int(), ctypes.c_int(), ctypes.c_int()
    name = ctypes.create_string_buffer(256)
    errors = (
        cuda.cuDeviceGet(ctypes.byref(device), ordinal)
        or cuda.cuDeviceGetName(name, len(name), device)
        or cuda.cuDeviceGetAttribute(ctypes.byref(major), _CAPABILITY_MAJOR, device)
        or cuda.cuDeviceGetAttribute(ctypes.byref(minor), _CAPABILITY_MINOR, device)
    )
    if errors:
        return _none(f"GPU {ordinal} does not answer (error {errors})")
    detail = (
        f"{name.value.decode(errors='replace')}, sm_{major.value}{minor.value}, "
        f"driver up to CUDA {cuda_version}"
    )
    return Check(name=f"GPU {ordinal}", status=Status.OK, detail=detail)


def _none(detail: str) -> Check:
    return Check(
        name="NVIDIA GPU",
        status=Status.WARN,
        detail=detail,
        remedy="see docs/deploy-pc.md to use one, or leave it",
    )
