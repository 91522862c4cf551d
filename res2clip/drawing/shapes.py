"""Signed distances to plane shapes: negative inside, positive outside, in product units."""

from __future__ import annotations

import numpy as np

from res2clip.drawing.field import Field, clip01


def disc(u: Field, v: Field, radius: float) -> Field:
    """Distance to a disc around the origin."""
    return np.hypot(u, v) - radius


def box(u: Field, v: Field, half_u: float, half_v: float, corner: float = 0.0) -> Field:
    """Distance to a rectangle with rounded corners."""
    far_u, far_v = np.abs(u) - (half_u - corner), np.abs(v) - (half_v - corner)
    outer = np.hypot(np.maximum(far_u, 0.0), np.maximum(far_v, 0.0))
    return outer + np.minimum(np.maximum(far_u, far_v), 0.0) - corner


def slot(u: Field, v: Field, half_length: float, radius: float) -> Field:
    """Distance to a stadium that lies along u."""
    return np.hypot(np.maximum(np.abs(u) - half_length, 0.0), v) - radius


def polygon(u: Field, v: Field, sides: int, inradius: float, corner: float = 0.0) -> Field:
    """Distance to a regular polygon (exact inside, a lower bound outside)."""
    sector = 2.0 * np.pi / sides
    angle = np.mod(np.arctan2(v, u) + sector / 2.0, sector) - sector / 2.0
    radius = np.hypot(u, v)
    far = radius * np.cos(angle) - (inradius - corner)
    side = np.abs(radius * np.sin(angle)) - (inradius - corner) * float(np.tan(sector / 2.0))
    rounded = np.hypot(np.maximum(far, 0.0), np.maximum(side, 0.0))
    return np.where(side > 0, rounded, far) - corner


def ellipse(u: Field, v: Field, half_u: float, half_v: float) -> Field:
    """Distance to an ellipse (first order, good near the outline)."""
    level = np.hypot(u / half_u, v / half_v)
    steep = np.hypot(u / half_u**2, v / half_v**2)
    distance: Field = level * (level - 1.0) / (steep + 1e-6)
    return distance


def around(u: Field, v: Field, count: int, radius: float) -> tuple[Field, Field, Field]:
    """The nearest of `count` places spread evenly over a circle.

    Returns:
        the place's two coordinates and its index 0..count-1, (H, W) each.
    """
    sector = 2.0 * np.pi / count
    index = np.mod(np.rint(np.arctan2(v, u) / sector), count)
    return radius * np.cos(index * sector), radius * np.sin(index * sector), index


def cover(distance: Field, pixel: float) -> Field:
    """How much of each pixel lies inside, 0..1: the anti-aliased shape."""
    return clip01(0.5 - distance / pixel)


def chamfer(distance: Field, width: float) -> Field:
    """A straight slope that falls by 1 over `width` towards the outline, else 0."""
    return -clip01(1.0 + distance / width)


def fillet(distance: Field, width: float) -> Field:
    """A quarter round that falls by 1 over `width` towards the outline, else 0."""
    near = clip01(1.0 + distance / width)
    return np.sqrt(np.maximum(1.0 - near * near, 0.0)) - 1.0
