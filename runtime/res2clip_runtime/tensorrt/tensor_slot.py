"""The memory of one input or output of an engine, on the host and on the device."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import numpy as np
import numpy.typing as npt

from res2clip_runtime.closable import Closable
from res2clip_runtime.cuda import CudaDevice, DeviceBuffer, PinnedArray

__all__ = ["TensorSlot"]


class TensorSlot(Closable):
    """A pinned array and a device buffer that hold one tensor and grow when it does."""

    def __init__(
        self,
        device: CudaDevice,
        name: str,
        *,
        dtype: np.dtype[Any],
        is_input: bool,
        purpose: str,
    ) -> None:
        """Hold nothing yet; ``reserve`` comes first."""
        self.name = name
        self.dtype = dtype
        self.is_input = is_input
        self._device = device
        self._purpose = purpose
        self._shape: tuple[int, ...] = ()
        self._host: PinnedArray | None = None
        self._memory: DeviceBuffer | None = None
        self._holds: npt.NDArray[np.generic] | None = None

    @property
    def address(self) -> int:
        """Where the tensor lies on the device."""
        assert self._memory is not None, "reserve comes first"
        return self._memory.address

    @property
    def host(self) -> npt.NDArray[Any]:
        """The tensor in pinned memory; the next run writes over it."""
        assert self._host is not None, "reserve comes first"
        values = self._host.array[: self._size_bytes]
        return values.view(self.dtype).reshape(self._shape)

    def reserve(self, shape: tuple[int, ...]) -> None:
        """Make room for a tensor of this shape; what was held may be lost.

        Raises:
            BackendError: there is no memory left on one of the sides.
        """
        self._shape = shape
        self._holds = None
        if self._memory is not None and self._memory.size_bytes >= self._size_bytes:
            return
        self.close()
        with ExitStack() as made:
            size = max(self._size_bytes, 1)
            host = PinnedArray(self._device, (size,), np.uint8, purpose=self._purpose)
            made.callback(host.close)
            self._memory = DeviceBuffer(self._device, size, purpose=self._purpose)
            self._host = host
            made.pop_all()

    def put(self, values: npt.NDArray[np.generic]) -> None:
        """Copy values to the device, behind what is on the stream.

        A recipe's bank is large and the same for every picture: an array that cannot be written to
        and is the very one of the last time is there already.
        """
        if values is self._holds:
            return
        self._holds = None
        self.host[...] = values
        self._device.upload(self.address, self.host)
        if not values.flags.writeable:
            self._holds = values

    def fetch(self) -> None:
        """Put the copy of the device's tensor to pinned memory on the stream; does not wait."""
        self._device.download(self.host, self.address)

    def close(self) -> None:
        """Free both sides; a second call does nothing."""
        self._holds = None
        with ExitStack() as stack:
            for held in (self._host, self._memory):
                if held is not None:
                    stack.callback(held.close)
            self._host = self._memory = None

    @property
    def _size_bytes(self) -> int:
        return int(np.prod(self._shape, dtype=np.int64)) * self.dtype.itemsize
