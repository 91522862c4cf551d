"""Scores of good and defective parts, back to back, with the threshold: one inline SVG."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from res2clip.report.figures import count_of
from res2clip.report.markup import Html, element, join

__all__ = ["draw_histogram"]

BINS = 32
_WIDTH, _LEFT, _RIGHT = 560.0, 44.0, 12.0
_TOP, _HALF, _FOOT = 26.0, 84.0, 40.0
_AXIS = _TOP + _HALF
_BOTTOM = _AXIS + _HALF
_Floats = npt.NDArray[np.float64]


def draw_histogram(scores: _Floats, labels: npt.NDArray[np.bool_], threshold: float | None) -> Html:
    """Return the picture: good parts above the axis, defective ones below, same scale.

    Args:
        scores: (n,) image scores; those that are not finite are left out.
        labels: (n,) True for defective parts.
        threshold: highest score that is OK, or None.
    """
    known = np.isfinite(scores)
    if not known.any():
        return element("p", "No picture has a score.", css="quiet")
    values = scores[known] if threshold is None else np.append(scores[known], threshold)
    edges = np.linspace(*_padded(float(values.min()), float(values.max())), BINS + 1)
    good = np.histogram(scores[known & ~labels], edges)[0]
    bad = np.histogram(scores[known & labels], edges)[0]
    tallest = max(int(good.max()), int(bad.max()))
    parts = [
        element("title", "Scores of good parts (above) and defective parts (below)"),
        *_bars(good, edges, tallest, up=True),
        *_bars(bad, edges, tallest, up=False),
        _line("axis", _LEFT, _AXIS, _WIDTH - _RIGHT, _AXIS),
        *_ticks(edges),
        _text("good", 0, _AXIS - _HALF / 2, css="good-text"),
        _text("defect", 0, _AXIS + _HALF / 2, css="bad-text"),
    ]
    if threshold is not None:
        parts.append(_threshold(threshold, edges))
    size = f"0 0 {_WIDTH:g} {_BOTTOM + _FOOT:g}"
    return element("svg", *parts, css="histogram", attributes={"viewBox": size, "role": "img"})


def _padded(low: float, high: float) -> tuple[float, float]:
    margin = 0.04 * (high - low) or max(abs(high), 1.0) * 0.1
    return low - margin, high + margin


def _bars(counts: npt.NDArray[np.intp], edges: _Floats, tallest: int, *, up: bool) -> list[Html]:
    width = (_WIDTH - _LEFT - _RIGHT) / BINS
    bars = []
    for index in np.flatnonzero(counts):
        count = int(counts[index])
        height = (_HALF - 4) * count / tallest
        noun = "good part" if up else "defective part"
        said = f"{count_of(count, noun)}, score {edges[index]:.3f} to {edges[index + 1]:.3f}"
        place = {
            "x": f"{_LEFT + index * width + 0.75:.2f}",
            "y": f"{_AXIS - height if up else _AXIS:.2f}",
            "width": f"{width - 1.5:.2f}",
            "height": f"{height:.2f}",
        }
        css = "good-bar" if up else "bad-bar"
        bars.append(element("rect", element("title", said), css=css, attributes=place))
    return bars


def _ticks(edges: _Floats) -> list[Html]:
    marks = []
    for value in _round_values(float(edges[0]), float(edges[-1])):
        x = _x(value, edges)
        marks.append(_line("grid", x, _BOTTOM, x, _BOTTOM + 4))
        marks.append(_text(f"{value:.4g}", x, _BOTTOM + 18, css="tick"))
    marks.append(_text("image score", (_LEFT + _WIDTH - _RIGHT) / 2, _BOTTOM + 36, css="tick"))
    return marks


def _round_values(low: float, high: float) -> _Floats:
    """Return about five multiples of 1, 2 or 5 times a power of ten between the ends."""
    rough = (high - low) / 5
    power = 10.0 ** np.floor(np.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    first = np.ceil(low / step)
    values: _Floats = np.arange(first, np.floor(high / step) + 1, dtype=np.float64) * step
    return values


def _threshold(value: float, edges: _Floats) -> Html:
    x = _x(value, edges)
    side = "label-left" if x > _WIDTH / 2 else "label-right"
    return join(
        _line("threshold", x, _TOP - 8, x, _BOTTOM),
        _text(f"threshold {value:.4g}", x + (-6 if side == "label-left" else 6), 16, css=side),
    )


def _x(value: float, edges: _Floats) -> float:
    share = (value - edges[0]) / (edges[-1] - edges[0])
    return float(_LEFT + share * (_WIDTH - _LEFT - _RIGHT))


def _line(css: str, x1: float, y1: float, x2: float, y2: float) -> Html:
    ends = {"x1": f"{x1:.2f}", "y1": f"{y1:.2f}", "x2": f"{x2:.2f}", "y2": f"{y2:.2f}"}
    return element("line", css=css, attributes=ends)


def _text(text: str, x: float, y: float, *, css: str) -> Html:
    return element("text", text, css=css, attributes={"x": f"{x:.2f}", "y": f"{y:.2f}"})
