"""What a product is made of, pixel by pixel, before any light falls on it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from res2clip.drawing.field import Field, Rng, mix
from res2clip.drawing.view import View

Colour = tuple[float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Surface:
    """Shape and material of everything that belongs to one layer of the scene."""

    height: Field
    """(H, W) in product units, towards the camera."""
    colour: Field
    """(H, W, 3) linear reflectance, 0..1."""
    metal: Field
    """(H, W) 0 paints, plastics and cloth, 1 bare metal."""
    rough: Field
    """(H, W) spread of reflections along the grain: 0.05 polished, 0.2 satin, 0.6 matt."""
    streak: Field
    """(H, W) the same across the grain; equal to `rough` where there is no grain."""
    grain: Field
    """(H, W) direction of the grain in the picture, radians."""
    cover: Field
    """(H, W) 1 where this layer hides what is behind it."""


def blank(
    view: View,
    colour: Colour,
    *,
    metal: float = 0.0,
    rough: float = 0.4,
    streak: float | None = None,
    grain: float = 0.0,
) -> Surface:
    """A flat, uniform surface that fills the picture."""
    shape = (view.size_px, view.size_px)

    def full(value: float) -> Field:
        return np.full(shape, value, np.float32)

    return Surface(
        height=full(0.0),
        colour=np.broadcast_to(np.asarray(colour, np.float32), (*shape, 3)).copy(),
        metal=full(metal),
        rough=full(rough),
        streak=full(rough if streak is None else streak),
        grain=full(grain + view.angle),
        cover=full(1.0),
    )


def painted(
    surface: Surface,
    where: Field,
    colour: Colour | Field,
    *,
    metal: float | None = None,
    rough: float | None = None,
) -> Surface:
    """The surface with another colour (and, if given, finish) where the (H, W) weight is 1."""
    tone = np.asarray(colour, np.float32)
    changed = replace(surface, colour=mix(surface.colour, tone, where[..., None]))
    if metal is not None:
        changed = replace(changed, metal=mix(surface.metal, metal, where))
    if rough is not None:
        changed = replace(
            changed,
            rough=mix(surface.rough, rough, where),
            streak=mix(surface.streak, rough, where),
        )
    return changed


def tinted(surface: Surface, factor: Field) -> Surface:
    """The surface with its colour multiplied by an (H, W) or (H, W, 3) factor."""
    if factor.ndim == 2:
        factor = factor[..., None]
    return replace(surface, colour=surface.colour * factor)


def hsv(hue: float, saturation: float, value: float) -> Colour:
    """Linear RGB of a hue (0..1, periodic), saturation and value."""
    red, green, blue = (
        value * (1.0 - saturation * max(0.0, min(k, 4.0 - k, 1.0)))
        for k in ((n + hue * 6.0) % 6.0 for n in (5.0, 3.0, 1.0))
    )
    return (red, green, blue)


_METALS: dict[str, Colour] = {
    "steel": (0.56, 0.56, 0.57),
    "aluminium": (0.80, 0.80, 0.81),
    "brass": (0.78, 0.58, 0.25),
    "copper": (0.80, 0.42, 0.28),
    "bronze": (0.55, 0.40, 0.22),
    "zinc": (0.62, 0.64, 0.68),
    "black": (0.16, 0.16, 0.17),
    "titanium": (0.50, 0.47, 0.43),
}


def metal_colour(
    rng: Rng, *, weights: str = "steel steel aluminium zinc brass copper black titanium"
) -> Colour:
    """The colour of a metal drawn from a list of names, slightly varied."""
    red, green, blue = _METALS[str(rng.choice(weights.split()))]
    gain = float(rng.uniform(0.85, 1.1))
    warm = float(rng.uniform(0.97, 1.03))
    return (red * gain * warm, green * gain, blue * gain / warm)


def plastic_colour(rng: Rng) -> Colour:
    """A colour as plastics and paints have it: white, black, grey or saturated."""
    kind = rng.random()
    if kind < 0.2:
        return hsv(
            float(rng.random()), float(rng.uniform(0.0, 0.08)), float(rng.uniform(0.6, 0.85))
        )
    if kind < 0.35:
        return hsv(
            float(rng.random()), float(rng.uniform(0.0, 0.2)), float(rng.uniform(0.02, 0.06))
        )
    if kind < 0.45:
        return hsv(float(rng.random()), float(rng.uniform(0.0, 0.1)), float(rng.uniform(0.15, 0.4)))
    return hsv(float(rng.random()), float(rng.uniform(0.5, 0.95)), float(rng.uniform(0.2, 0.75)))
