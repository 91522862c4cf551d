"""ROC and precision-recall curves side by side, each one inline SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from res2clip.report.figures import percent
from res2clip.report.markup import Html, element, join
from res2clip_runtime.threshold_steps import Curves

__all__ = ["Line", "draw_curves"]

_SIDE, _LEFT, _TOP, _FOOT = 240.0, 44.0, 12.0, 44.0
_RIGHT = 14.0
_WIDTH, _HEIGHT = _LEFT + _SIDE + _RIGHT, _TOP + _SIDE + _FOOT
_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What is drawn in one colour."""

    name: str
    """Such as ``pictures``."""
    css: str
    """Class that colours it."""
    curves: Curves
    """Its points."""
    auroc: float
    """Area under the ROC curve, 0..1."""
    ap: float
    """Average precision, 0..1."""


def draw_curves(lines: Sequence[Line]) -> Html:
    """Return both charts; a sentence where there is nothing to draw."""
    if not lines:
        return element("p", "No curves: it takes good and defective pictures.", css="quiet")
    roc = _chart(
        "false alarms",
        "found",
        [(line.css, line.curves.false_alarms, line.curves.recall) for line in lines],
        [(line.css, f"{line.name}: AUROC {percent(line.auroc)}") for line in lines],
    )
    pr = _chart(
        "found",
        "precision",
        [(line.css, line.curves.recall, line.curves.precision) for line in lines],
        [(line.css, f"{line.name}: AP {percent(line.ap)}") for line in lines],
    )
    return element("div", roc, pr, css="curves")


def _chart(
    across: str,
    up: str,
    lines: Sequence[tuple[str, _Floats, _Floats]],
    legend: Sequence[tuple[str, str]],
) -> Html:
    parts = [
        element("title", f"{up} over {across}; {', '.join(text for _, text in legend)}"),
        *_grid(across, up),
        *(_polyline(css, x, y) for css, x, y in lines),
        *(
            _text(text, _LEFT + _SIDE - 8, _TOP + _SIDE - 10 - 17 * row, f"{css}-text end")
            for row, (css, text) in enumerate(reversed(legend))
        ),
    ]
    box = f"0 0 {_WIDTH:g} {_HEIGHT:g}"
    return element("svg", *parts, css="curve", attributes={"viewBox": box, "role": "img"})


def _grid(across: str, up: str) -> list[Html]:
    frame = {"x": _LEFT, "y": _TOP, "width": _SIDE, "height": _SIDE}
    marks = [element("rect", css="frame", attributes=frame)]
    for tenth in (0, 5, 10):
        x, y = _place(tenth / 10, tenth / 10)
        marks.append(_text(f"{10 * tenth}", x, _TOP + _SIDE + 16, "tick"))
        marks.append(_text(f"{10 * tenth}", _LEFT - 6, y + 4, "tick end"))
    marks.append(_text(f"{across}, %", _LEFT + _SIDE / 2, _TOP + _SIDE + 36, "tick"))
    x, y = 12.0, _TOP + _SIDE / 2
    turned: dict[str, str | float] = {"x": x, "y": y, "transform": f"rotate(-90 {x:g} {y:g})"}
    marks.append(element("text", f"{up}, %", css="tick", attributes=turned))
    return marks


def _polyline(css: str, x: _Floats, y: _Floats) -> Html:
    points = " ".join(f"{px:.1f},{py:.1f}" for px, py in map(_place, x.tolist(), y.tolist()))
    return element("polyline", css=f"line {css}-line", attributes={"points": points})


def _place(x: float, y: float) -> tuple[float, float]:
    return _LEFT + x * _SIDE, _TOP + (1 - y) * _SIDE


def _text(text: str, x: float, y: float, css: str) -> Html:
    return element("text", join(text), css=css, attributes={"x": f"{x:.1f}", "y": f"{y:.1f}"})
