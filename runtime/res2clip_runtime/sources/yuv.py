"""RGB from video's brightness and colour (YUV), in the range of television, ITU-R BT.601.

R = 1.164 (Y - 16) + 1.596 (V - 128), and so on, in fixed point of 20 bits: the constants and the
rounding of OpenCV's cvtColor (modules/imgproc/src/color_yuv.simd.hpp), so that both agree. A pair
of pixels, or a square of four (NV12), shares its colour.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from res2clip_runtime.errors import InputError
from res2clip_runtime.preprocess import PictureU8

__all__ = ["nv12_to_rgb", "uyvy_to_rgb", "yuyv_to_rgb"]

_Y, _V_RED, _U_GREEN, _V_GREEN, _U_BLUE = 1220542, 1673527, -409993, -852492, 2116026
_SHIFT = 20


def yuyv_to_rgb(pixels: npt.NDArray[np.uint8]) -> PictureU8:
    """Return (H, W, 2) uint8, Y and by turns U or V, as (H, W, 3) RGB; W is even."""
    return _from_422(pixels, y=0, colour=1)


def uyvy_to_rgb(pixels: npt.NDArray[np.uint8]) -> PictureU8:
    """Return (H, W, 2) uint8, by turns U or V and then Y, as (H, W, 3) RGB; W is even."""
    return _from_422(pixels, y=1, colour=0)


def nv12_to_rgb(planes: npt.NDArray[np.uint8]) -> PictureU8:
    """Return (H * 3/2, W, 1) uint8, all Y and then U and V by turns, as (H, W, 3) RGB."""
    rows, width, _ = planes.shape
    if rows % 3 or width % 2:
        raise InputError(f"an NV12 picture has even sides, got {width} px and {rows} rows in all")
    height = rows * 2 // 3
    colour = planes[height:, :, 0].reshape(height // 2, width // 2, 2)
    whole = colour.repeat(2, axis=0).repeat(2, axis=1)  # (H, W, 2)
    return _rgb(planes[:height, :, 0], whole[:, :, 0], whole[:, :, 1])


def _from_422(pixels: npt.NDArray[np.uint8], *, y: int, colour: int) -> PictureU8:
    if pixels.shape[1] % 2:
        raise InputError(f"pixels in pairs need an even width, got {pixels.shape[1]}")
    u, v = (pixels[:, start::2, colour].repeat(2, axis=1) for start in (0, 1))
    return _rgb(pixels[:, :, y], u, v)


def _rgb(y: npt.NDArray[np.uint8], u: npt.NDArray[np.uint8], v: npt.NDArray[np.uint8]) -> PictureU8:
    """Return (H, W, 3) RGB from three (H, W) planes."""
    light = np.maximum(y.astype(np.int32) - 16, 0) * _Y + (1 << (_SHIFT - 1))
    blue, red = u.astype(np.int32) - 128, v.astype(np.int32) - 128
    rgb = np.stack(
        [light + _V_RED * red, light + _V_GREEN * red + _U_GREEN * blue, light + _U_BLUE * blue],
        axis=2,
    )
    return np.clip(rgb >> _SHIFT, 0, 255).astype(np.uint8)
