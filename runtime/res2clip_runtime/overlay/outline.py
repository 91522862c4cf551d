"""Outlines of the anomalous areas."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["draw_outline", "grow"]

Mask = npt.NDArray[np.bool_]

_LINE_RGB = (255, 255, 255)
_EDGE_RGB = (0, 0, 0)


def draw_outline(
    picture: npt.NDArray[np.uint8], mask: Mask, *, width_px: int
) -> npt.NDArray[np.uint8]:
    """Return the (H, W, 3) picture with a white line, edged black, around the (H, W) mask.

    The line runs outside the mask so that a small defect is not painted over.
    """
    drawn = picture.copy()
    gap = grow(mask, width_px)
    line = grow(gap, width_px)
    edge = grow(line, max(1, width_px // 2))
    drawn[edge & ~line] = _EDGE_RGB
    drawn[line & ~gap] = _LINE_RGB
    return drawn


def grow(mask: Mask, steps: int) -> Mask:
    """Return the mask grown by ``steps`` pixels in all directions (octagonally)."""
    grown = mask
    for step in range(steps):
        grown = _grow_once(grown, diagonal=step % 2 == 1)
    return grown


def _grow_once(mask: Mask, *, diagonal: bool) -> Mask:
    wide = mask.copy()
    wide[:, 1:] |= mask[:, :-1]
    wide[:, :-1] |= mask[:, 1:]
    source = wide if diagonal else mask
    grown = wide.copy()
    grown[1:] |= source[:-1]
    grown[:-1] |= source[1:]
    return grown
