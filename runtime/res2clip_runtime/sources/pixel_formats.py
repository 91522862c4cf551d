"""From a camera's pixel format to RGB, by named pure functions.

Names are those of the GenICam pixel format naming convention (PFNC) and, for video, of V4L2 and
GStreamer. Deeper pixels become 8 bits by dropping their lowest bits, never by stretching: the same
light gives the same value in every picture.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from res2clip_runtime.errors import InputError, SourceError
from res2clip_runtime.preprocess import PictureU8
from res2clip_runtime.sources.bayer import bayer_to_rgb
from res2clip_runtime.sources.packed_bits import row_bytes, unpack_rows
from res2clip_runtime.sources.yuv import nv12_to_rgb, uyvy_to_rgb, yuyv_to_rgb

__all__ = ["bgr_to_rgb", "mono_to_rgb", "packed_rgb_to_rgb", "to_rgb", "top_8_bits"]

_RAW = re.compile(r"(Mono|BayerRG|BayerGB|BayerGR|BayerBG)(8|10|12|14|16)(p|Packed)?")
_KNOWN = (
    "Mono and Bayer (RG, GB, GR, BG) with 8, 10, 12, 14 or 16 bits, 10p, 12p, 12Packed; "
    "RGB8, BGR8, RGBa8, BGRa8, NV12, YUYV, UYVY"
)


@dataclass(frozen=True, slots=True)
class _Interleaved:
    """Whole bytes, the same number for every pixel (NV12: of its first plane)."""

    pixel_bytes: int
    convert: Callable[[npt.NDArray[np.uint8]], PictureU8]
    rows_per_pixel_row: float = 1.0


def to_rgb(
    data: Any, pixel_format: str, *, width: int, height: int, stride: int | None = None
) -> PictureU8:
    """Return the picture in a camera's buffer, (height, width, 3) uint8 RGB, its own copy.

    Args:
        data: the buffer, anything with the buffer protocol; what follows the picture is ignored.
        pixel_format: its name, such as ``BayerRG8``.
        width: of the picture in px.
        height: of the picture in px.
        stride: bytes from one row to the next; None if the rows lie close together.

    Raises:
        InputError: the format is not known.
        SourceError: the buffer is smaller than the picture.
    """
    flat = np.frombuffer(data, dtype=np.uint8)
    if raw := _RAW.fullmatch(pixel_format):
        kind, bits, packing = raw[1], int(raw[2]), raw[3] or ""
        rows = _rows(flat, height, row_bytes(width, bits, packing), stride)
        values = unpack_rows(rows, width, bits, packing)
        if kind == "Mono":
            return mono_to_rgb(values, bits=bits)
        return bayer_to_rgb(values, order=kind.removeprefix("Bayer"), bits=bits)
    known = _INTERLEAVED.get(pixel_format)
    if known is None:
        raise InputError(
            f"the pixel format {pixel_format} is not known; set pixel_format to one of: {_KNOWN}"
        )
    all_rows = int(height * known.rows_per_pixel_row)
    rows = _rows(flat, all_rows, width * known.pixel_bytes, stride)
    return known.convert(rows.reshape(all_rows, width, known.pixel_bytes))


def top_8_bits(values: npt.NDArray[Any], *, bits: int) -> npt.NDArray[np.uint8]:
    """Return values of ``bits`` bits as uint8, without their lowest bits."""
    return (values >> (bits - 8)).astype(np.uint8)


def mono_to_rgb(values: npt.NDArray[Any], *, bits: int = 8) -> PictureU8:
    """Return (H, W) grey values of ``bits`` bits as (H, W, 3) uint8 RGB."""
    grey = top_8_bits(values, bits=bits)
    return np.repeat(grey[:, :, None], 3, axis=2)


def bgr_to_rgb(pixels: npt.NDArray[np.uint8]) -> PictureU8:
    """Return (H, W, 3 or 4) uint8 BGR or BGRa as (H, W, 3) RGB."""
    return np.ascontiguousarray(pixels[:, :, 2::-1])


def packed_rgb_to_rgb(pixels: npt.NDArray[np.uint8]) -> PictureU8:
    """Return (H, W, 3 or 4) uint8 RGB or RGBa as (H, W, 3) RGB, a copy."""
    return np.array(pixels[:, :, :3], order="C")


def _rows(
    flat: npt.NDArray[np.uint8], count: int, used: int, stride: int | None
) -> npt.NDArray[np.uint8]:
    """Return (count, used) bytes: the rows without what fills them up."""
    stride = stride or used
    needed = stride * (count - 1) + used
    if stride < used or len(flat) < needed:
        raise SourceError(
            f"the camera sent {len(flat)} bytes with rows of {stride}, but {count} rows of {used} "
            "bytes make its picture; it is cut off"
        )
    if len(flat) < stride * count:  # the last row may lack its filling
        flat = np.concatenate([flat, np.zeros(stride * count - len(flat), np.uint8)])
    return flat[: stride * count].reshape(count, stride)[:, :used]


_INTERLEAVED = {
    "RGB8": _Interleaved(3, packed_rgb_to_rgb),
    "RGB8Packed": _Interleaved(3, packed_rgb_to_rgb),
    "RGBa8": _Interleaved(4, packed_rgb_to_rgb),
    "BGR8": _Interleaved(3, bgr_to_rgb),
    "BGR8Packed": _Interleaved(3, bgr_to_rgb),
    "RGBA8Packed": _Interleaved(4, packed_rgb_to_rgb),
    "BGRA8Packed": _Interleaved(4, bgr_to_rgb),
    "BGRa8": _Interleaved(4, bgr_to_rgb),
    "YUYV": _Interleaved(2, yuyv_to_rgb),
    "UYVY": _Interleaved(2, uyvy_to_rgb),
    "NV12": _Interleaved(1, nv12_to_rgb, rows_per_pixel_row=1.5),
}
