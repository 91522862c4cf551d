"""Colour from a sensor that sees one colour at each pixel (Bayer mosaic), bilinear.

OpenCV does it where it is installed (the extra ``camera``); the NumPy here gives the same values,
bit for bit, and takes longer. A row or column at the border is that of its neighbour.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from res2clip_runtime.errors import InputError
from res2clip_runtime.preprocess import PictureU8

__all__ = ["BAYER_ORDERS", "bayer_to_rgb", "bilinear"]

BAYER_ORDERS = ("RG", "GB", "GR", "BG")
"""Colours of the first two pixels of the first row, as PFNC names them."""
_RED = {"RG": (0, 0), "GR": (0, 1), "GB": (1, 0), "BG": (1, 1)}
"""Row and column of the first red pixel."""


def bayer_to_rgb(values: npt.NDArray[Any], *, order: str, bits: int = 8) -> PictureU8:
    """Return (H, W) values of ``bits`` bits, H and W at least 4, as (H, W, 3) uint8 RGB.

    Args:
        values: uint8, or uint16 if ``bits`` is above 8.
        order: one of :data:`BAYER_ORDERS`.
        bits: depth of a value.

    Raises:
        InputError: the picture is smaller than the mosaic's surroundings.
    """
    if min(values.shape) < 4:
        raise InputError(f"a Bayer picture has at least 4 x 4 px, got {values.shape}")
    try:
        import cv2
    except ImportError:
        rgb = bilinear(values, order=order)
    else:
        code = {"RG": "RGGB", "GR": "GRBG", "GB": "GBRG", "BG": "BGGR"}[order]
        conversion = getattr(cv2, f"COLOR_Bayer{code}2RGB")
        rgb = cv2.cvtColor(np.ascontiguousarray(values), conversion)
    if bits == 8:
        return np.asarray(rgb, np.uint8)
    return (rgb >> (bits - 8)).astype(np.uint8)


def bilinear(values: npt.NDArray[Any], *, order: str) -> npt.NDArray[Any]:
    """Return (H, W) values of a mosaic as (H, W, 3) RGB of the same type, in NumPy."""
    wide = values.astype(np.uint32)
    left, right = wide[1:-1, :-2], wide[1:-1, 2:]
    up, down = wide[:-2, 1:-1], wide[2:, 1:-1]
    corners = wide[:-2, :-2] + wide[:-2, 2:] + wide[2:, :-2] + wide[2:, 2:]
    here = wide[1:-1, 1:-1]
    beside, above = (left + right + 1) >> 1, (up + down + 1) >> 1
    cross, diagonal = (left + right + up + down + 2) >> 2, (corners + 2) >> 2

    rgb = np.empty((*values.shape, 3), values.dtype)
    inner = rgb[1:-1, 1:-1]
    row, column = _RED[order]
    # The inner part begins at row 1 and column 1, which shifts the mosaic by one.
    red, blue = (1 - row) % 2, row
    left_red, left_blue = (1 - column) % 2, column
    for y, x, channels in (
        (red, left_red, (here, cross, diagonal)),
        (red, left_blue, (beside, here, above)),
        (blue, left_red, (above, here, beside)),
        (blue, left_blue, (diagonal, cross, here)),
    ):
        for channel, source in enumerate(channels):
            inner[y::2, x::2, channel] = source[y::2, x::2]
    rgb[0], rgb[-1] = rgb[1], rgb[-2]
    rgb[:, 0], rgb[:, -1] = rgb[:, 1], rgb[:, -2]
    return rgb
