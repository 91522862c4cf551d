"""NVIDIA's driver through pycuda, with its failures as errors of ours."""

from __future__ import annotations

import ctypes
import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from res2clip_runtime.errors import BackendError, MissingExtraError

__all__ = ["checked", "load_driver", "primary_context"]

_REMEDY = (
    "use a CPU backend here. For TensorRT take the bundle to its device: the ONNX files are "
    "complete, and engines are built there"
)


def load_driver() -> Any:
    """Return ``pycuda.driver``, initialised.

    Raises:
        MissingExtraError: pycuda is not installed.
        BackendError: there is no NVIDIA driver or no device.
    """
    try:
        ctypes.CDLL("libcuda.so.1")  # asked first: without a GPU, pycuda is of no use either
    except OSError as err:
        raise BackendError(f"this machine has no NVIDIA driver ({err}); {_REMEDY}") from err
    try:
        driver = importlib.import_module("pycuda.driver")
    except ModuleNotFoundError as err:
        raise MissingExtraError("pycuda", extra="trt", purpose="using an NVIDIA GPU") from err
    except ImportError as err:
        raise BackendError(
            f"pycuda cannot be loaded ({err}); build it again on this machine: "
            "pip install --force-reinstall --no-binary pycuda pycuda"
        ) from err
    try:
        driver.init()
        count = driver.Device.count()
    except driver.Error as err:
        raise BackendError(f"this machine has no usable NVIDIA GPU ({err}); {_REMEDY}") from err
    if count == 0:
        raise BackendError(f"this machine has no NVIDIA GPU; {_REMEDY}")
    return driver


@contextmanager
def checked(driver: Any, what: str) -> Iterator[None]:
    """Turn pycuda's errors into ours, with what was being done and what to do next.

    Raises:
        BackendError: a call of the driver failed; its name is in the message.
    """
    try:
        yield
    except driver.MemoryError as err:
        raise BackendError(
            f"CUDA has no memory left for {what} ({err}); close other programs on the GPU, or use "
            "fewer references or a smaller batch"
        ) from err
    except driver.Error as err:
        raise BackendError(
            f"CUDA failed at {what}: {err}; open the inspector again, and check the device with "
            "res2clip doctor if it stays"
        ) from err


@lru_cache
def primary_context(ordinal: int) -> Any:
    """Return a device's primary context, the one TensorRT and ONNX Runtime use, too.

    It is held until the process ends: pycuda (2026.1) leaves a context pushed in the driver each
    time it lets go of a primary one, and the next retain would set it up again.
    """
    driver = load_driver()
    with checked(driver, f"opening device {ordinal}"):
        return driver.Device(ordinal).retain_primary_context()
