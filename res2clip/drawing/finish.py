"""How surfaces are worked: turned, brushed, ground, cast, moulded."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from res2clip.drawing.draft import Draft
from res2clip.drawing.field import Field, Rng
from res2clip.drawing.noise import clouds, curve, grit, lookup
from res2clip.drawing.surface import Surface, tinted


def turned(surface: Surface, draft: Draft, *, pitch: float = 0.012, depth: float = 1.0) -> Surface:
    """The surface with the concentric grooves a lathe leaves around the origin.

    Args:
        surface: what to work on.
        draft: the picture; the grooves' coarse pattern belongs to the design.
        pitch: distance between two visible grooves, product units.
        depth: 1 for a usual finish, 0.3 for a fine one.
    """
    view, design, chance = draft.view, draft.design, draft.chance
    radius = np.hypot(view.u, view.v)
    turn = np.arctan2(view.v, view.u)
    rings = np.zeros_like(radius)
    for spacing, weight in ((0.09, 0.35), (1.6 * pitch, 0.7), (0.5 * pitch, 1.0)):
        count = round(1.5 / spacing)
        seen = min(1.0, spacing / view.pixel / 2.0)  # finer lines than pixels average out
        rings += (weight * seen) * lookup(curve(design, count, smooth=0.0), radius / 1.5)
    arcs = _arcs(chance, turn, radius, view.pixel)
    rough = surface.rough * (1.0 + 0.15 * depth * rings).clip(0.5, 1.8)
    return replace(
        surface,
        colour=surface.colour * (1.0 + depth * (0.055 * rings + 0.035 * arcs))[..., None],
        rough=rough,
        streak=np.full_like(surface.streak, 0.55 * depth**0.3) * (1.0 + 0.06 * rings),
        grain=turn + (view.angle + np.pi / 2.0),
    )


def _arcs(rng: Rng, turn: Field, radius: Field, pixel: float) -> Field:
    """Thin arcs, brighter or darker, that differ from part to part."""
    row = np.floor(radius * min(260.0, 0.7 / pixel))
    offset = np.mod(np.sin(row * 12.9898) * 43758.547, 1.0).astype(np.float32)
    tone = lookup(curve(rng, 96, smooth=2.0), offset + turn / np.float32(2 * np.pi))
    arcs: Field = tone * (0.4 + 1.2 * np.mod(offset * 7.0, 1.0))
    return arcs


def brushed(
    surface: Surface, draft: Draft, *, angle: float = 0.0, depth: float = 1.0, length: float = 25.0
) -> Surface:
    """The surface with straight brush marks along `angle` (radians, in product coordinates)."""
    size_px, tilt = draft.view.size_px, angle + draft.view.angle
    lines = clouds(
        draft.chance, size_px, wavelength=0.02, stretch=length, angle=tilt, roughness=0.8
    )
    bands = clouds(draft.chance, size_px, wavelength=0.15, stretch=length, angle=tilt)
    return replace(
        surface,
        colour=surface.colour * (1.0 + depth * (0.07 * lines + 0.03 * bands))[..., None],
        height=surface.height + (0.0002 * depth) * lines,
        streak=np.full_like(surface.streak, 0.5 * depth**0.3) * (1.0 + 0.08 * lines),
        grain=np.full_like(surface.grain, tilt),
    )


def cast(
    surface: Surface, draft: Draft, *, wavelength: float = 0.03, depth: float = 1.0
) -> Surface:
    """The surface with the orange-peel bumps of castings and mouldings."""
    bumps = clouds(draft.chance, draft.view.size_px, wavelength=wavelength, roughness=1.2)
    return replace(surface, height=surface.height + (0.025 * wavelength * depth) * bumps)


def mottled(surface: Surface, draft: Draft, *, wavelength: float, depth: float) -> Surface:
    """The surface with cloudy differences in tone of the given relative deviation."""
    tone = clouds(draft.chance, draft.view.size_px, wavelength=wavelength)
    return tinted(surface, np.maximum(1.0 + depth * tone, 0.05))


def grainy(surface: Surface, draft: Draft, *, depth: float) -> Surface:
    """The surface with pixel-fine differences in tone."""
    return tinted(surface, np.maximum(1.0 + depth * grit(draft.chance, draft.view.size_px), 0.05))
