"""Defects of a product's outline: pieces broken off, burrs, cut or missing material."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from res2clip.drawing.field import Field, blur, mix, ramp
from res2clip.drawing.noise import clouds, curve, lookup
from res2clip.drawing.spot import Spot, blob
from res2clip.drawing.surface import Surface, painted


def chip(surface: Surface, spot: Spot) -> Surface:
    """A piece broken out of the edge: the ground shows, the fracture around it is rough."""
    gone = blob(spot, wobble=0.3, soft=0.05)
    broken = blob(spot.moved(spot.x, spot.y, spot.radius * 1.3), wobble=0.25, soft=0.15)
    facets = clouds(spot.rng, spot.view.size_px, wavelength=0.08, roughness=0.9)
    raw = mix(surface.colour, 0.65, 0.25) * (0.8 + 0.2 * facets).clip(0.3, 1.4)[..., None]
    bare = painted(surface, broken * 0.9, raw, rough=0.55)
    return replace(
        bare,
        height=surface.height - broken * (0.05 + 0.015 * facets) * min(1.0, spot.radius / 0.08),
        cover=surface.cover * (1.0 - gone),
    )


def burr(surface: Surface, spot: Spot) -> Surface:
    """A ragged lip of material that stands out over the edge."""
    near = blob(spot, wobble=0.2, soft=0.5, long=float(spot.rng.uniform(1.0, 2.0)))
    ragged = lookup(curve(spot.rng, 128, smooth=1.5), spot.view.x * 0.7 + spot.view.y * 0.9)
    grown = _grown(surface, spot, near * (0.6 + 0.3 * ragged).clip(0.0, 1.0))
    lip = ramp(grown - surface.cover, 0.1, 0.9)
    fresh = painted(
        surface, np.maximum(lip, 0.3 * near * grown), mix(surface.colour, 0.7, 0.3), rough=0.3
    )
    crease = 0.02 * lip * (1.0 + 0.5 * ragged)
    return replace(fresh, height=surface.height + crease, cover=grown)


def _grown(surface: Surface, spot: Spot, amount: Field) -> Field:
    """The cover with the outline pushed outwards."""
    reach = max(2.0, min(0.45 * spot.radius, 0.05) / spot.pixel)
    wide = blur(surface.cover, reach)
    edge = 0.5 - 0.42 * amount
    return np.maximum(surface.cover, ramp(wide, edge - 0.05, edge + 0.05) * (amount > 0.05))
