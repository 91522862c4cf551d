"""The losses of a run as a picture (SVG)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from res2clip.training.log import Row
from res2clip.training.objective import LOSSES

__all__ = ["draw_losses"]

_WIDTH, _HEIGHT, _MARGIN = 720, 320, 44
_POINTS = 300
"""More steps than that are averaged."""
_COLOURS = dict(zip(LOSSES, ("#4477aa", "#ee6677", "#228833", "#aa3377"), strict=True))


def draw_losses(rows: Sequence[Row]) -> str:
    """Return the SVG of a table of losses: a line for each, over the steps."""
    width = max(1, -(-len(rows) // _POINTS))
    binned = [_mean(rows[first : first + width]) for first in range(0, len(rows), width)]
    last = max((row["step"] or 0.0 for row in binned), default=1.0)
    top = max((row[name] or 0.0 for row in binned for name in LOSSES), default=0.0) or 1.0
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>',
        *_axes(last, top),
    ]
    for index, name in enumerate(LOSSES):
        parts += [_line(points, _COLOURS[name]) for points in _runs(binned, name, last, top)]
        x = _MARGIN + 10 + 90 * index
        parts.append(f'<text x="{x}" y="20" fill="{_COLOURS[name]}">{name}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _mean(rows: Sequence[Row]) -> Row:
    known = {name: [row[name] for row in rows if row[name] is not None] for name in LOSSES}
    means: Row = {name: float(np.mean(v)) if v else None for name, v in known.items()}
    return {"step": rows[-1]["step"], **means}


def _runs(
    rows: Sequence[Row], name: str, last: float, top: float
) -> list[list[tuple[float, float]]]:
    """Return the stretches in which a loss was trained, as points of the picture."""
    runs: list[list[tuple[float, float]]] = [[]]
    for row in rows:
        value = row[name]
        if value is None:
            runs.append([])
        else:
            runs[-1].append((_x((row["step"] or 0.0) / last), _y(value / top)))
    return [run for run in runs if run]


def _line(points: Sequence[tuple[float, float]], colour: str) -> str:
    text = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{text}" fill="none" stroke="{colour}" stroke-width="1.5"/>'


def _axes(last: float, top: float) -> list[str]:
    left, right, low, high = _x(0), _x(1), _y(0), _y(1)
    return [
        f'<path d="M{left},{high} V{low} H{right}" fill="none" stroke="#888"/>',
        f'<text x="{left - 6}" y="{high + 4}" text-anchor="end">{top:.3g}</text>',
        f'<text x="{left - 6}" y="{low + 4}" text-anchor="end">0</text>',
        f'<text x="{right}" y="{low + 18}" text-anchor="end">step {last:.0f}</text>',
        f'<text x="{left}" y="{low + 18}">loss</text>',
    ]


def _x(share: float) -> float:
    return _MARGIN + share * (_WIDTH - 1.5 * _MARGIN)


def _y(share: float) -> float:
    return _HEIGHT - _MARGIN - share * (_HEIGHT - 2 * _MARGIN)
