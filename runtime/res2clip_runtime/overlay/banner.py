"""The strip above the picture: OK, NG or ERROR, score and threshold."""

from __future__ import annotations

import math

from PIL import Image, ImageDraw

from res2clip_runtime.overlay.lettering import draw_fitted
from res2clip_runtime.verdict import Decision, Verdict

__all__ = ["draw_banner"]

_COLOURS = {
    Decision.OK: (22, 120, 62),
    Decision.NG: (190, 24, 32),
    Decision.ERROR: (178, 98, 0),
}
_WHITE = (255, 255, 255)


def draw_banner(verdict: Verdict, *, width_px: int, height_px: int) -> Image.Image:
    """Return the banner as an RGB picture of the given size."""
    banner = Image.new("RGB", (width_px, height_px), _COLOURS[verdict.decision])
    draw = ImageDraw.Draw(banner)
    margin = height_px // 5
    label_px = int(width_px * (0.26 if verdict.decision is Decision.ERROR else 0.18))
    draw_fitted(
        draw,
        verdict.decision.value,
        at=(margin, height_px // 2),
        width_px=label_px,
        size_px=int(height_px * 0.8),
        fill=_WHITE,
        bold=True,
    )
    left = margin * 2 + label_px
    for text, centre, size in (
        (_figures(verdict), 0.34, 0.36),
        (_origin(verdict), 0.74, 0.24),
    ):
        draw_fitted(
            draw,
            text,
            at=(left, int(height_px * centre)),
            width_px=width_px - left - margin,
            size_px=int(height_px * size),
            fill=_WHITE,
        )
    return banner


def _figures(verdict: Verdict) -> str:
    if not math.isfinite(verdict.score):
        return "no score"
    if verdict.threshold is None:
        return f"score {verdict.score:.4g}, no threshold"
    relation = "over" if verdict.score > verdict.threshold else "within"
    label = "" if verdict.calibrated else " (uncalibrated)"
    return f"score {verdict.score:.4g} {relation} threshold {verdict.threshold:.4g}{label}"


def _origin(verdict: Verdict) -> str:
    count = len(verdict.regions)
    regions = [f"{count} region{'s' if count != 1 else ''}"] if count else []
    return "  ·  ".join([verdict.product, verdict.frame_id, *regions])
