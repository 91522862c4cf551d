"""Memory of a device, and pinned memory of the host, each freed at a known time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from res2clip_runtime.closable import Closable
from res2clip_runtime.cuda.device import CudaDevice
from res2clip_runtime.errors import BackendError

__all__ = ["DeviceBuffer", "PinnedArray"]


class DeviceBuffer(Closable):
    """Device memory of a fixed size."""

    def __init__(self, device: CudaDevice, size_bytes: int, *, purpose: str) -> None:
        """Allocate it.

        Raises:
            BackendError: the device has not so much memory left.
        """
        self.size_bytes = size_bytes
        self._device = device
        self._purpose = purpose
        self._memory: Any = None
        with device.working(f"{purpose} ({size_bytes} bytes of device memory)"):
            self._memory = device.driver.mem_alloc(size_bytes)

    @property
    def address(self) -> int:
        """Where it lies on the device.

        Raises:
            BackendError: it is closed.
        """
        if self._memory is None:
            raise BackendError(f"the device memory for {self._purpose} is freed; open a new one")
        return int(self._memory)

    def close(self) -> None:
        """Free it; a second call does nothing."""
        memory, self._memory = self._memory, None
        if memory is not None:
            with self._device.working(f"freeing {self._purpose}"):
                memory.free()


class PinnedArray(Closable):
    """A NumPy array in host memory that the device copies from and to without a detour."""

    def __init__(
        self, device: CudaDevice, shape: Sequence[int], dtype: npt.DTypeLike, *, purpose: str
    ) -> None:
        """Allocate it.

        Raises:
            BackendError: the host has not so much memory that can be pinned.
        """
        self._device = device
        self._purpose = purpose
        self._array: npt.NDArray[Any] | None = None
        self._allocation: Any = None
        size_bytes = int(np.prod(shape)) * np.dtype(dtype).itemsize
        with device.working(f"{purpose} ({size_bytes} bytes of pinned host memory)"):
            array = device.driver.pagelocked_empty(tuple(shape), dtype)
            self._array, self._allocation = array, array.base

    @property
    def array(self) -> npt.NDArray[Any]:
        """The array; not to be used once this is closed.

        Raises:
            BackendError: it is closed.
        """
        if self._array is None:
            raise BackendError(f"the host memory for {self._purpose} is freed; open a new one")
        return self._array

    def close(self) -> None:
        """Free it; a second call does nothing."""
        allocation, self._allocation, self._array = self._allocation, None, None
        if allocation is not None:
            with self._device.working(f"freeing {self._purpose}"):
                allocation.free()
