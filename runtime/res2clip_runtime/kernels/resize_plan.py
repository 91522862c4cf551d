"""The launches that make the encoder's square of a camera's frame (``csrc/resize.cuh``).

The weights are Pillow's (``precompute_coeffs`` and ``normalize_coeffs_8bpc`` in its Resample.c):
computed in float64, rounded to 22 bits, so that the kernels' integers are Pillow's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from res2clip_runtime.errors import InputError
from res2clip_runtime.kernels.launch import Buffer, Launch, ceil_divide

__all__ = ["PIXEL_FORMATS", "FrameSize", "ResizeBuffers", "bicubic_weights", "resize_launches"]

PIXEL_FORMATS = ("rgb", "bgr", "mono", "nv12-bt601", "nv12-bt709")
"""Their numbers are those of ``enum PixelFormat`` in resize.cuh; NV12 is in video range."""

IntArray: TypeAlias = npt.NDArray[np.int32]

WEIGHT_BITS = 22
BICUBIC_A = -0.5
BICUBIC_SUPPORT = 2.0
_THREADS = 128
_SHAPE = np.dtype(
    [
        *((name, np.int32) for name in ("height", "width", "pitch", "format", "left", "top")),
        *((name, np.int32) for name in ("crop_height", "crop_width", "size", "taps_x", "taps_y")),
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameSize:
    """A frame in memory, what is cut out of it, and how large it becomes."""

    height: int
    """Rows of the picture."""
    width: int
    """Columns of the picture."""
    pixel_format: str
    """One of :data:`PIXEL_FORMATS`."""
    size_px: int
    """S: side of the square that is made."""
    pitch: int | None = None
    """Bytes from one row to the next; None: no gap between rows."""
    crop: tuple[int, int, int, int] | None = None
    """Left, top, right, bottom of the region to use, in pixels; None: the whole picture."""

    def __post_init__(self) -> None:
        if self.pixel_format not in PIXEL_FORMATS:
            raise InputError(
                f"unknown pixel format '{self.pixel_format}'; known: {', '.join(PIXEL_FORMATS)}"
            )
        if self.pixel_format.startswith("nv12") and (self.height % 2 or self.width % 2):
            raise InputError(
                f"an NV12 frame has even sides, got {self.width} x {self.height}; "
                "check the camera's resolution"
            )
        left, top, right, bottom = self.box
        if not (0 <= left < right <= self.width and 0 <= top < bottom <= self.height):
            raise InputError(
                f"the region {self.box} does not lie in the {self.width} x {self.height} frame"
            )
        if self.row_bytes < self._channels * self.width:
            raise InputError(
                f"a row of {self.width} pixels needs {self._channels * self.width} bytes, "
                f"got a pitch of {self.row_bytes}"
            )

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Left, top, right, bottom of what is used."""
        return self.crop or (0, 0, self.width, self.height)

    @property
    def row_bytes(self) -> int:
        """Bytes from one row to the next."""
        return self._channels * self.width if self.pitch is None else self.pitch

    @property
    def buffer_bytes(self) -> dict[str, int]:
        """Return the sizes of frame, narrow and square of :class:`ResizeBuffers`."""
        rows = self.height * 3 // 2 if self.pixel_format.startswith("nv12") else self.height
        _, top, _, bottom = self.box
        return {
            "frame": rows * self.row_bytes,
            "narrow": (bottom - top) * self.size_px * 3,
            "square": self.size_px * self.size_px * 3,
        }

    def tables(self) -> dict[str, IntArray]:
        """Return first_x (S,), weights_x (S, taps), first_y and weights_y."""
        left, top, right, bottom = self.box
        first_x, weights_x = bicubic_weights(right - left, self.size_px)
        first_y, weights_y = bicubic_weights(bottom - top, self.size_px)
        return {
            "first_x": first_x,
            "weights_x": weights_x,
            "first_y": first_y,
            "weights_y": weights_y,
        }

    def structure(self, taps_x: int, taps_y: int) -> np.void:
        """Return ``FrameShape`` of resize.cuh, to pass by value."""
        left, top, right, bottom = self.box
        number = PIXEL_FORMATS.index(self.pixel_format)
        values = (
            *(self.height, self.width, self.row_bytes, number, left, top),
            *(bottom - top, right - left, self.size_px, taps_x, taps_y),
        )
        return np.array([values], dtype=_SHAPE)[0]

    @property
    def _channels(self) -> int:
        return 3 if self.pixel_format in ("rgb", "bgr") else 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ResizeBuffers:
    """Memory of a resize; tables from :meth:`FrameSize.tables`."""

    frame: Buffer
    """The frame's bytes: in."""
    first_x: Buffer
    """(S,) int32: in."""
    weights_x: Buffer
    """(S, taps) int32: in."""
    first_y: Buffer
    """(S,) int32: in."""
    weights_y: Buffer
    """(S, taps) int32: in."""
    narrow: Buffer
    """(crop height, S, 3) uint8: scratch."""
    square: Buffer
    """(S, S, 3) uint8 RGB: out."""


def resize_launches(
    size: FrameSize, buffers: ResizeBuffers, *, taps_x: int, taps_y: int
) -> tuple[Launch, ...]:
    """Return the launches from a frame to the encoder's square."""
    shape, side = size.structure(taps_x, taps_y), size.size_px
    _, top, _, bottom = size.box
    rows = (buffers.frame, buffers.first_x, buffers.weights_x, buffers.narrow, shape)
    columns = (buffers.narrow, buffers.first_y, buffers.weights_y, buffers.square, shape)
    return (
        Launch("resize_rows", (bottom - top, ceil_divide(side, _THREADS), 1), _THREADS, rows),
        Launch("resize_columns", (ceil_divide(3 * side, _THREADS), side, 1), _THREADS, columns),
    )


def bicubic_weights(source: int, target: int) -> tuple[IntArray, IntArray]:
    """Return first source pixel (target,) and weights (target, taps) of each target pixel.

    Weights are integers in units of 2**-22; those beyond the source's edge are zero.
    """
    scale = source / target
    stretch = max(scale, 1.0)
    support = BICUBIC_SUPPORT * stretch
    centre = (np.arange(target) + 0.5) * scale
    first = np.maximum((centre - support + 0.5).astype(np.int64), 0)
    beyond = np.minimum((centre + support + 0.5).astype(np.int64), source)
    taps = int((beyond - first).max())
    place = first[:, None] + np.arange(taps)  # (target, taps)
    weights = _bicubic((place - centre[:, None] + 0.5) / stretch)
    weights[place >= beyond[:, None]] = 0.0
    weights /= weights.sum(axis=1, keepdims=True)
    whole = np.trunc(weights * (1 << WEIGHT_BITS) + np.copysign(0.5, weights))
    return first.astype(np.int32), whole.astype(np.int32)


def _bicubic(distance: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    x, a = np.abs(distance), BICUBIC_A
    near = ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
    far = (((x - 5.0) * x + 8.0) * x - 4.0) * a
    return np.where(x < 1.0, near, np.where(x < 2.0, far, 0.0))
