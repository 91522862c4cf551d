"""Pixels of 8 to 16 bits as cameras put them into bytes.

Without packing: one byte, or two bytes with the lowest first. ``p`` (PFNC): a bit stream, lowest
bit first. ``Packed`` (GigE Vision): two pixels in three bytes, the two high bytes outside.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from res2clip_runtime.errors import InputError

__all__ = ["row_bytes", "unpack_rows"]


def row_bytes(width: int, bits: int, packing: str) -> int:
    """Return the bytes of a row of ``width`` pixels.

    Raises:
        InputError: this packing is not known for this depth or width.
    """
    if not packing:
        return width * (1 if bits == 8 else 2)
    if bits not in (10, 12) or (packing == "Packed" and bits != 12):
        raise InputError(f"packed pixels of {bits} bits ({packing}) are not known")
    together = 4 if bits == 10 else 2
    if width % together:
        raise InputError(
            f"rows of {width} px end inside a byte when {bits} bits are packed; "
            f"set a width that {together} divides, or a format that is not packed"
        )
    return width * bits // 8


def unpack_rows(
    rows: npt.NDArray[np.uint8], width: int, bits: int, packing: str
) -> npt.NDArray[Any]:
    """Return (H, width) uint8 or uint16 values from (H, row bytes) uint8."""
    if not packing:
        return rows if bits == 8 else np.ascontiguousarray(rows).view("<u2")
    height = len(rows)
    wide = rows.astype(np.uint16)
    if packing == "Packed":
        first, low, second = (wide[:, start::3] for start in range(3))
        pair = ((first << 4) | (low & 0x0F), (second << 4) | (low >> 4))
        return np.stack(pair, axis=2).reshape(height, width)
    if bits == 12:
        a, b, c = (wide[:, start::3] for start in range(3))
        pair = (a | (b & 0x0F) << 8, b >> 4 | c << 4)
        return np.stack(pair, axis=2).reshape(height, width)
    a, b, c, d, e = (wide[:, start::5] for start in range(5))
    four = (
        a | (b & 0x03) << 8,
        b >> 2 | (c & 0x0F) << 6,
        c >> 4 | (d & 0x3F) << 4,
        d >> 6 | e << 2,
    )
    return np.stack(four, axis=2).reshape(height, width)
