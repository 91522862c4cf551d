"""Preprocessing as kernels on a CUDA device: a frame in any format -> the encoder's square."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from res2clip_runtime.errors import InputError
from res2clip_runtime.kernels.device import KernelDevice
from res2clip_runtime.kernels.launch import Launch
from res2clip_runtime.kernels.resize_plan import FrameSize, ResizeBuffers, resize_launches
from res2clip_runtime.preprocess import PictureU8

__all__ = ["DeviceResize"]


class DeviceResize:
    """Resizes frames; the tables of the last frame's size stay on the device."""

    def __init__(self, device: KernelDevice) -> None:
        self._device = device
        self._size: FrameSize | None = None
        self._tables: dict[str, npt.NDArray[Any]] = {}

    def __call__(self, frame: npt.NDArray[np.uint8], size: FrameSize) -> PictureU8:
        """Return the (S, S, 3) RGB square of a frame's bytes, Pillow's to the bit for RGB.

        Raises:
            InputError: the frame has another number of bytes than its size says.
        """
        self._device.run(self.upload(frame, size))
        return self.download(size.size_px)

    def upload(self, frame: npt.NDArray[np.uint8], size: FrameSize) -> tuple[Launch, ...]:
        """Copy a frame to the device; return the launches that resize it.

        Raises:
            InputError: the frame has another number of bytes than its size says.
        """
        needed = size.buffer_bytes
        if frame.nbytes != needed["frame"]:
            raise InputError(
                f"the frame has {frame.nbytes} bytes, {needed['frame']} expected for "
                f"{size.width} x {size.height} {size.pixel_format}"
            )
        if size != self._size:
            self._size = None  # a copy that fails leaves tables of two sizes
            self._tables = dict(size.tables())
            for name, table in self._tables.items():
                self._device.upload(name, table)
            self._size = size
        self._device.upload("frame", frame)
        sizes = needed | {name: table.nbytes for name, table in self._tables.items()}
        buffers = {name: self._device.buffer(name, count) for name, count in sizes.items()}
        taps = {f"taps_{axis}": self._tables[f"weights_{axis}"].shape[1] for axis in "xy"}
        return resize_launches(size, ResizeBuffers(**buffers), **taps)

    def download(self, size_px: int) -> PictureU8:
        """Return the (S, S, 3) square of the last frame."""
        return self._device.download("square", (size_px, size_px, 3), np.uint8)
