"""The strip below the picture: what the heat map's colours mean."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from res2clip_runtime.overlay.heat import blend, heat_colours
from res2clip_runtime.overlay.lettering import draw_fitted

__all__ = ["draw_legend"]

_BACKGROUND = (24, 26, 30)
_TEXT = (225, 225, 225)


def draw_legend(pixel_threshold: float | None, *, width_px: int, height_px: int) -> Image.Image:
    """Return the legend as an RGB picture of the given size."""
    legend = Image.new("RGB", (width_px, height_px), _BACKGROUND)
    draw = ImageDraw.Draw(legend)
    size, middle, margin = int(height_px * 0.5), height_px // 2, height_px // 2
    if pixel_threshold is None:
        text = "no heat map: there is no pixel threshold (give one with --pixel-threshold)"
        room = width_px - 2 * margin
        draw_fitted(draw, text, at=(margin, middle), width_px=room, size_px=size, fill=_TEXT)
        return legend
    left, right = width_px // 8, width_px * 7 // 8
    legend.paste(_bar(right - left, height_px * 3 // 5), (left, height_px // 5))
    tick = (left + right) // 2
    draw.line([(tick, height_px // 10), (tick, height_px * 9 // 10)], fill=(255,) * 3, width=3)
    span = abs(pixel_threshold)
    low, high = f"{pixel_threshold - span:.3g}", f"{pixel_threshold + span:.3g}+"
    labels = (
        (low, left - margin, "rm", _TEXT),
        (f"normal up to {pixel_threshold:.3g}", tick - margin, "rm", _BACKGROUND),
        ("anomalous", tick + margin, "lm", _BACKGROUND),
        (high, right + margin, "lm", _TEXT),
    )
    for text, x, anchor, fill in labels:
        room = (left if fill == _TEXT else tick - left) - 2 * margin
        at = (x, middle)
        draw_fitted(draw, text, at=at, width_px=room, size_px=size, fill=fill, anchor=anchor)
    return legend


def _bar(width_px: int, height_px: int) -> Image.Image:
    """Return the scale over mid-grey, as it looks over a picture."""
    position = np.linspace(0, 1, width_px, dtype=np.float32)
    heat = np.repeat(heat_colours(position)[None], height_px, axis=0)
    return Image.fromarray(blend(np.full((*heat.shape[:2], 3), 128, dtype=np.uint8), heat))
