"""A verdict and its picture -> one picture to look at."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from res2clip_runtime.overlay.banner import draw_banner
from res2clip_runtime.overlay.heat import blend, heat_rgba
from res2clip_runtime.overlay.legend import draw_legend
from res2clip_runtime.overlay.lettering import draw_fitted, wrap
from res2clip_runtime.overlay.outline import draw_outline
from res2clip_runtime.preprocess import PictureU8
from res2clip_runtime.verdict import Decision, Verdict

__all__ = ["draw_verdict"]

LARGEST_PX = 1600
"""Longer sides are reduced to this."""
SMALLEST_PX = 640
"""Shorter longest sides are enlarged to this, so that the banner stays readable."""
_BACKGROUND = (24, 26, 30)


def draw_verdict(verdict: Verdict, picture: PictureU8 | None) -> PictureU8:
    """Return (h, w, 3) uint8: banner, the picture with heat map and outlines, legend.

    Args:
        verdict: what was decided.
        picture: (H, W, 3) uint8 RGB as inspected; None when it could not be decoded.
    """
    shown = _placeholder() if picture is None else _shown(verdict, picture)
    width = max(shown.width, SMALLEST_PX)
    unit = int(np.clip(width * 0.085, 56, 120))
    banner = draw_banner(verdict, width_px=width, height_px=unit)
    if verdict.decision is Decision.ERROR:
        foot = _reason(verdict.reason, width_px=width, line_px=unit // 3)
    else:
        foot = draw_legend(verdict.pixel_threshold, width_px=width, height_px=unit // 2)
    sheet = Image.new("RGB", (width, banner.height + shown.height + foot.height), _BACKGROUND)
    sheet.paste(banner, (0, 0))
    sheet.paste(shown, ((width - shown.width) // 2, banner.height))
    sheet.paste(foot, (0, banner.height + shown.height))
    return np.asarray(sheet)


def _shown(verdict: Verdict, picture: PictureU8) -> Image.Image:
    resized = _bounded(Image.fromarray(picture))
    if verdict.anomaly_map is None or verdict.pixel_threshold is None:
        return resized
    anomaly_map = _enlarged(verdict.anomaly_map, resized.size)
    heated = blend(np.asarray(resized), heat_rgba(anomaly_map, verdict.pixel_threshold))
    width_px = max(2, round(max(resized.size) / 500))
    mask = anomaly_map > verdict.pixel_threshold
    return Image.fromarray(draw_outline(heated, mask, width_px=width_px))


def _bounded(picture: Image.Image) -> Image.Image:
    longest = max(picture.size)
    factor = min(max(longest, SMALLEST_PX), LARGEST_PX) / longest
    if factor == 1:
        return picture
    width, height = (max(1, round(side * factor)) for side in picture.size)
    # The gap lets Pillow halve large pictures first, four times as fast and as good to look at.
    return picture.resize((width, height), Image.Resampling.BICUBIC, reducing_gap=2.0)


def _enlarged(
    anomaly_map: npt.NDArray[np.float32], size_px: tuple[int, int]
) -> npt.NDArray[np.float32]:
    enlarged = Image.fromarray(anomaly_map).resize(size_px, Image.Resampling.BILINEAR)
    return np.asarray(enlarged, dtype=np.float32)


def _placeholder() -> Image.Image:
    return Image.new("RGB", (SMALLEST_PX, SMALLEST_PX // 4), _BACKGROUND)


def _reason(reason: str, *, width_px: int, line_px: int) -> Image.Image:
    margin = line_px
    size = int(line_px * 0.75)
    lines = wrap(reason, width_px=width_px - 2 * margin, size_px=size)
    foot = Image.new("RGB", (width_px, line_px * (len(lines) + 1)), _BACKGROUND)
    draw = ImageDraw.Draw(foot)
    for index, line in enumerate(lines):
        draw_fitted(
            draw,
            line,
            at=(margin, line_px * (index + 1)),
            width_px=width_px - 2 * margin,
            size_px=size,
            fill=(240, 240, 240),
        )
    return foot
