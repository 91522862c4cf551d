"""Where a defect sits, and the irregular outlines and lines defects are made of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from res2clip.drawing.field import Field, Rng, ramp
from res2clip.drawing.noise import curve, lookup
from res2clip.drawing.view import View

_FAR = 9.0


@dataclass(frozen=True, slots=True)
class Spot:
    """Place, size and strength of one defect."""

    view: View
    """The picture."""
    rng: Rng
    """For all other properties of the defect."""
    x: float
    """Centre, in picture coordinates -1..1."""
    y: float
    """Centre, in picture coordinates -1..1."""
    radius: float
    """Rough size, the picture being 2 wide."""
    strength: float
    """1 for a plain defect, 0.3 for a faint one."""

    @property
    def pixel(self) -> float:
        """Picture units a pixel spans."""
        return 2.0 / self.view.size_px

    def moved(self, x: float, y: float, radius: float) -> Spot:
        """The same defect at another place and size."""
        return Spot(self.view, self.rng, x, y, radius, self.strength)

    def distance(self) -> Field:
        """(H, W) distance of each pixel from the centre."""
        gap: Field = np.hypot(self.view.x - self.x, self.view.y - self.y)
        return gap


def blob(spot: Spot, *, wobble: float = 0.25, soft: float = 0.15, long: float = 1.0) -> Field:
    """An irregular patch, (H, W) 0..1.

    Args:
        spot: where and how large.
        wobble: how irregular the outline is; 0 is an ellipse.
        soft: width of the outline's transition over the radius.
        long: length over width.
    """
    turn = float(spot.rng.uniform(0, np.pi))
    cos, sin, squeeze = float(np.cos(turn)), float(np.sin(turn)), float(long**0.5)
    edge = max(soft * spot.radius, spot.pixel)
    farthest = (spot.radius * (1.0 + 3.5 * wobble) + edge) * squeeze
    rows = _window(spot.view, spot.y, spot.y, farthest)
    columns = _window(spot.view, spot.x, spot.x, farthest)
    patch = np.zeros(spot.view.x.shape, np.float32)
    gap_x = spot.view.x[rows, columns] - np.float32(spot.x)
    gap_y = spot.view.y[rows, columns] - np.float32(spot.y)
    along, across = (gap_x * cos + gap_y * sin) / squeeze, (gap_y * cos - gap_x * sin) * squeeze
    direction = np.arctan2(across, along) / np.float32(2 * np.pi)
    outline = 0.8 * lookup(curve(spot.rng, 96, smooth=9.0), direction)
    outline += 0.35 * lookup(curve(spot.rng, 96, smooth=3.0), direction)
    reach = spot.radius * np.clip(1.0 + wobble * outline, 0.3, 1.0 + 3.5 * wobble)
    gap = np.hypot(along, across) - reach
    patch[rows, columns] = 1.0 - ramp(gap, -edge, edge * 0.2 + 0.5 * spot.pixel)
    return patch


def stroke(spot: Spot, *, length: float, wander: float, steps: int = 14) -> tuple[Field, Field]:
    """Points of a random line through the spot.

    Args:
        spot: the middle of the line.
        length: of the line.
        wander: deviation of its direction from step to step, radians.
        steps: number of straight pieces.

    Returns:
        x and y of steps + 1 points.
    """
    heading = float(spot.rng.uniform(0, 2 * np.pi))
    turns = heading + np.cumsum(spot.rng.normal(0.0, wander, steps))
    x = np.concatenate([[0.0], np.cumsum(np.cos(turns))]) * (length / steps)
    y = np.concatenate([[0.0], np.cumsum(np.sin(turns))]) * (length / steps)
    return x - x.mean() + spot.x, y - y.mean() + spot.y


def to_line(view: View, x: Field, y: Field, *, reach: float) -> tuple[Field, Field]:
    """Distance of each pixel to a line of straight pieces, measured only within `reach`.

    Returns:
        the distance (a large number beyond `reach`) and the position along the line, 0..1.
    """
    distance = np.full(view.x.shape, _FAR, np.float32)
    along = np.zeros(view.x.shape, np.float32)
    pieces = len(x) - 1
    for i in range(pieces):
        rows = _window(view, float(y[i]), float(y[i + 1]), reach)
        columns = _window(view, float(x[i]), float(x[i + 1]), reach)
        if rows.start >= rows.stop or columns.start >= columns.stop:
            continue
        gap_x, gap_y = view.x[rows, columns] - x[i], view.y[rows, columns] - y[i]
        step_x, step_y = x[i + 1] - x[i], y[i + 1] - y[i]
        part = (gap_x * step_x + gap_y * step_y) / (step_x**2 + step_y**2 + 1e-12)
        part = np.clip(part, 0.0, 1.0)
        gap = np.hypot(gap_x - part * step_x, gap_y - part * step_y)
        closer = gap < distance[rows, columns]
        along[rows, columns] = np.where(closer, (i + part) / pieces, along[rows, columns])
        distance[rows, columns] = np.where(closer, gap, distance[rows, columns])
    return distance, along


def _window(view: View, one: float, other: float, reach: float) -> slice:
    scale = view.size_px / 2.0
    low, high = min(one, other) - reach, max(one, other) + reach
    start = int(np.clip((low + 1.0) * scale, 0, view.size_px))
    return slice(start, int(np.clip((high + 1.0) * scale + 1, 0, view.size_px)))
