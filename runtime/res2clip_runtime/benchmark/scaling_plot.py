"""How times grow with the number of references or pictures, as a picture (SVG)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

__all__ = ["draw_scaling"]

_WIDTH, _HEIGHT = 640, 400
_LEFT, _RIGHT, _TOP, _FOOT = 60, 20, 40, 50
_COLOURS = ("#4477aa", "#ee6677", "#228833", "#aa3377", "#ccbb44", "#66ccee")

Points = Sequence[tuple[float, float]]


def draw_scaling(
    lines: Mapping[str, Points],
    *,
    title: str,
    unit: str = "ms",
    axis: str = "references (shots)",
) -> str:
    """Return an SVG with a line for each name, both axes logarithmic.

    Args:
        lines: by name, (number, value) points, both above zero, numbers rising.
        title: what is shown, and where it was measured.
        unit: of the values.
        axis: what the numbers are.
    """
    across = sorted({x for points in lines.values() for x, _ in points})
    values = [y for points in lines.values() for _, y in points]
    low, high = _decades(min(values), max(values))

    def place(x: float, y: float) -> tuple[float, float]:
        return _along(x, across[0], across[-1]), _up(y, low, high)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>',
        f'<text x="{_LEFT}" y="18">{escape(title)}</text>',
        *_axes(across, low, high, unit, axis),
    ]
    for index, (name, points) in enumerate(lines.items()):
        colour = _COLOURS[index % len(_COLOURS)]
        parts.append(_line([place(x, y) for x, y in points], colour))
        height = _TOP + 16 * (index + 1)
        parts.append(f'<text x="{_LEFT + 12}" y="{height}" fill="{colour}">{escape(name)}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _line(points: Points, colour: str) -> str:
    text = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in points)
    line = f'<polyline points="{text}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
    return f'{line}<g fill="{colour}">{dots}</g>'


def _axes(across: Sequence[float], low: int, high: int, unit: str, axis: str) -> list[str]:
    right, foot = _WIDTH - _RIGHT, _HEIGHT - _FOOT
    parts = [f'<path d="M{_LEFT},{_TOP} V{foot} H{right}" fill="none" stroke="#888"/>']
    for number in across:
        place = _along(number, across[0], across[-1])
        parts.append(_text(f"{number:g}", place, foot + 18, "middle"))
    for decade in range(low, high + 1):
        y = _up(10.0**decade, low, high)
        parts.append(f'<path d="M{_LEFT},{y:.1f} H{right}" stroke="#ddd"/>')
        parts.append(_text(f"{10.0**decade:g}", _LEFT - 6, y + 4, "end"))
    parts.append(_text(axis, (_LEFT + right) / 2, foot + 38, "middle"))
    parts.append(_text(unit, _LEFT - 50, _TOP - 8, "start"))
    return parts


def _text(text: str, x: float, y: float, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _decades(smallest: float, largest: float) -> tuple[int, int]:
    """Return the powers of ten around the values, at least one decade apart."""
    low, high = math.floor(math.log10(smallest)), math.ceil(math.log10(largest))
    return low, max(high, low + 1)


def _along(x: float, first: float, last: float) -> float:
    share = math.log(x / first) / math.log(last / first) if last > first else 0.5
    return _LEFT + 10 + share * (_WIDTH - _LEFT - _RIGHT - 20)


def _up(y: float, low: int, high: int) -> float:
    share = (math.log10(y) - low) / (high - low)
    return _HEIGHT - _FOOT - share * (_HEIGHT - _FOOT - _TOP)
