"""Where the product lies in the picture."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from res2clip.drawing.field import Field, Rng, bump


@dataclass(frozen=True, slots=True)
class View:
    """Coordinates of every pixel, in the picture and on the product."""

    size_px: int
    """Side of the square picture."""
    x: Field
    """(H, W) -1..1, to the right in the picture."""
    y: Field
    """(H, W) -1..1, downwards in the picture."""
    u: Field
    """(H, W) first product coordinate."""
    v: Field
    """(H, W) second product coordinate."""
    angle: float
    """Rotation of the product in radians: the u axis in the picture."""
    pixel: float
    """Product units that a pixel spans."""


def place(
    size_px: int, *, angle: float = 0.0, right: float = 0.0, down: float = 0.0, scale: float = 1.0
) -> View:
    """The view of a product turned, moved and scaled within a picture that is 2 wide."""
    line = ((np.arange(size_px, dtype=np.float32) + 0.5) * (2.0 / size_px) - 1.0).astype(np.float32)
    x, y = np.meshgrid(line, line)
    cos, sin = float(np.cos(angle)) / scale, float(np.sin(angle)) / scale
    u = (x - right) * cos + (y - down) * sin
    v = (y - down) * cos - (x - right) * sin
    return View(size_px, x, y, u, v, angle, 2.0 / size_px / scale)


def bent(view: View, rng: Rng) -> View:
    """The same view of a product with one side bent away or pressed in."""
    turn = float(rng.uniform(0, 2 * np.pi))
    cos, sin = float(np.cos(turn)), float(np.sin(turn))
    amount = float(rng.uniform(0.12, 0.4)) * float(rng.choice([-1.0, 1.0]))
    along = view.u * cos + view.v * sin
    if rng.random() < 0.6:
        beyond = np.maximum(along - float(rng.uniform(0.05, 0.3)), 0.0)
        push = amount * beyond * beyond / (0.3 + beyond)
        return replace(view, u=view.u - push * sin, v=view.v + push * cos)
    reach = float(rng.uniform(0.35, 0.7))
    gap = (view.u - reach * cos) ** 2 + (view.v - reach * sin) ** 2
    dent = abs(amount) * 0.4 * bump(gap, float(rng.uniform(0.12, 0.3)))
    return replace(view, u=view.u + dent * cos, v=view.v + dent * sin)
