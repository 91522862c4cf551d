"""A part's picture as JPEG to look at, with the heat map and boxes or plain.

The colours are those of :mod:`res2clip_runtime.overlay`, but every step runs in Pillow's C code,
which lets other threads work meanwhile: the live picture must not slow the inspection.
"""

from __future__ import annotations

import functools
import io
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from res2clip_runtime.overlay.heat import heat_colours, scale_position
from res2clip_runtime.preprocess import PictureU8

__all__ = ["Box", "draw_jpeg", "heat_positions", "jpeg_bytes"]

Box = Sequence[int]
"""Left, top, width and height in source pixels."""

LIVE_QUALITY = 80
LARGEST_PX = 1280
"""Longer sides are reduced to this: a panel shows no more."""


def heat_positions(
    anomaly_map: npt.NDArray[np.float32], pixel_threshold: float
) -> npt.NDArray[np.uint8]:
    """Return the (S, S) uint8 position of every value on the colour scale; 128 is the threshold."""
    return np.rint(scale_position(anomaly_map, pixel_threshold) * 255).astype(np.uint8)


def draw_jpeg(
    picture: PictureU8 | Image.Image,
    *,
    heat: npt.NDArray[np.uint8] | None = None,
    boxes: Sequence[Box] = (),
    largest_px: int = LARGEST_PX,
    quality: int = LIVE_QUALITY,
) -> bytes:
    """Return an (H, W, 3) uint8 RGB picture as JPEG.

    Args:
        picture: as it was inspected.
        heat: (S, S) uint8 positions of :func:`heat_positions`, laid over it; None: plain.
        boxes: drawn around what was found.
        largest_px: longer sides are reduced to this.
        quality: of the JPEG.
    """
    source = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    shown = _reduced(source, largest_px)
    if heat is not None:
        layer = _layer(heat, shown.size)
        shown.paste(layer, mask=layer)
    if boxes:
        _outline(shown, boxes, shown.width / source.width)
    return jpeg_bytes(shown, quality=quality)


def jpeg_bytes(picture: Image.Image, *, quality: int, subsampling: int = 2) -> bytes:
    """Return the JPEG of an RGB picture."""
    buffer = io.BytesIO()
    picture.save(buffer, format="JPEG", quality=quality, subsampling=subsampling)
    return buffer.getvalue()


def _reduced(picture: Image.Image, largest_px: int) -> Image.Image:
    factor = largest_px / max(picture.size)
    if factor >= 1:
        return picture.copy()
    width, height = (max(1, round(side * factor)) for side in picture.size)
    # Pillow halves large pictures first, four times as fast.
    return picture.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=1.5)


def _layer(heat: npt.NDArray[np.uint8], size_px: tuple[int, int]) -> Image.Image:
    """Return the heat map as an RGBA picture of ``size_px``."""
    positions = Image.fromarray(heat).resize(size_px, Image.Resampling.BILINEAR)
    positions.putpalette(_palette(), "RGBA")
    return positions.convert("RGBA")


@functools.cache
def _palette() -> bytes:
    colours = heat_colours(np.linspace(0, 1, 256, dtype=np.float32))
    return np.rint(colours * 255).astype(np.uint8).tobytes()


def _outline(picture: Image.Image, boxes: Sequence[Box], scale: float) -> None:
    draw = ImageDraw.Draw(picture)
    line_px = max(2, round(max(picture.size) / 400))
    for left, top, width, height in boxes:
        box = [left * scale - line_px, top * scale - line_px,
               (left + width) * scale + line_px, (top + height) * scale + line_px]  # fmt: skip
        edge = [box[0] - 1, box[1] - 1, box[2] + 1, box[3] + 1]
        draw.rectangle(edge, outline=(0, 0, 0), width=line_px + 2)
        draw.rectangle(box, outline=(255, 255, 255), width=line_px)
