"""Lamps above the product, and what the camera receives from a surface under them.

Reflection r of the view ray (0, 0, 1) at a surface of slope (a, b) points to
(-2a, -2b) / (1 + a^2 + b^2) in the picture plane. A lamp is a Gaussian patch of the sky around a
direction c; roughness widens it, along the grain by `rough` and across it by `streak`, and dims it
so that the reflected light stays the same. That one formula gives polished edges, satin faces and
the bow-tie of turned metal (an elliptical Gaussian lobe in the manner of Ward 1992).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from res2clip.drawing.field import Field, Rng, blur, shifted, slopes
from res2clip.drawing.surface import Colour, Surface
from res2clip.drawing.view import View

DIELECTRIC_F0 = 0.045  # normal reflectance of plastics, paint, wood (refractive index about 1.5)


@dataclass(frozen=True, slots=True)
class Lamp:
    """One light source, far above the product."""

    x: float
    """Direction to the right, -1..1."""
    y: float
    """Direction downwards in the picture, -1..1."""
    width: float
    """Angular size."""
    power: float
    """Brightness of its mirror image."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lighting:
    """All the light in a scene."""

    lamps: tuple[Lamp, ...]
    ambient: float
    """Light from everywhere."""
    sky: float
    """How much brighter the upper half of the surroundings is than the lower."""
    nearness: float
    """How far a lamp's direction moves over the picture: 0 far away, 0.3 close."""
    tint: Colour
    """Colour of the light."""
    shadow: float
    """Strength of cast shadows, 0..1."""


def rig(design: Rng, chance: Rng, kind: str = "") -> Lighting:
    """A station's lighting: its arrangement from `design`, its drift from `chance`.

    Args:
        design: fixed by the product.
        chance: fixed by the picture.
        kind: "ring", "boxes", "side", "dome" or "station" (of the demo); "" for any.
    """
    kind = kind or str(design.choice(["ring", "ring", "boxes", "side", "dome"]))
    lamps = _RIGS[kind](design)
    warm = float(design.uniform(-0.05, 0.05))
    drift = [float(chance.normal(0.0, 0.015)) for _ in range(2)]
    moved = tuple(
        replace(
            lamp,
            x=lamp.x + drift[0],
            y=lamp.y + drift[1],
            power=lamp.power * chance.uniform(0.94, 1.06),
        )
        for lamp in lamps
    )
    return Lighting(
        lamps=moved,
        ambient=float(design.uniform(0.16, 0.34)) * {"dome": 1.6, "station": 0.7}.get(kind, 1.0),
        sky=float(design.uniform(0.1, 0.4)),
        nearness=float(design.uniform(0.08, 0.25)),
        tint=(1.0 + warm, 1.0, 1.0 - warm),
        shadow=float(design.uniform(0.4, 0.75)) * (0.6 if kind in {"dome", "ring"} else 1.0),
    )


def _ring(design: Rng) -> tuple[Lamp, ...]:
    count, radius = 8, float(design.uniform(0.45, 0.75))
    turn = float(design.uniform(0, 2 * np.pi))
    uneven = float(design.uniform(0.1, 0.6))
    return tuple(
        Lamp(
            radius * float(np.cos(a)),
            radius * float(np.sin(a)),
            0.2,
            0.9 * (1.0 + uneven * float(np.cos(a - turn))),
        )
        for a in turn + np.arange(count) * (2 * np.pi / count)
    )


def _boxes(design: Rng) -> tuple[Lamp, ...]:
    turn = float(design.uniform(-2.4, -0.8))
    opening = float(design.uniform(1.6, 2.8))
    return tuple(
        Lamp(
            0.6 * float(np.cos(a)), 0.6 * float(np.sin(a)), float(design.uniform(0.2, 0.35)), power
        )
        for a, power in ((turn, 3.0), (turn + opening, 1.6))
    )


def _side(design: Rng) -> tuple[Lamp, ...]:
    turn = float(design.uniform(-2.8, -0.4))
    far = float(design.uniform(0.6, 0.8))
    return (
        Lamp(far * float(np.cos(turn)), far * float(np.sin(turn)), 0.25, 4.0),
        Lamp(-0.4 * float(np.cos(turn)), -0.4 * float(np.sin(turn)), 0.5, 0.5),
    )


def _dome(design: Rng) -> tuple[Lamp, ...]:
    turn = float(design.uniform(0, 2 * np.pi))
    return (
        Lamp(0.25 * float(np.cos(turn)), 0.25 * float(np.sin(turn)), 0.6, 1.0),
        Lamp(-0.5 * float(np.cos(turn)), -0.5 * float(np.sin(turn)), 0.45, 0.8),
    )


def _station(design: Rng) -> tuple[Lamp, ...]:
    """A ring light with a strong segment, and a window on the far side."""
    turn = float(design.uniform(-2.4, -1.9))
    ring = [
        Lamp(0.62 * float(np.cos(a)), 0.62 * float(np.sin(a)), 0.16, 0.55)
        for a in turn + np.arange(8) * (np.pi / 4)
    ]
    key = Lamp(0.62 * float(np.cos(turn)), 0.62 * float(np.sin(turn)), 0.17, 4.6)
    fill = Lamp(0.55 * float(np.cos(turn + 2.8)), 0.55 * float(np.sin(turn + 2.8)), 0.2, 1.7)
    return (*ring, key, fill)


_RIGS = {"ring": _ring, "boxes": _boxes, "side": _side, "dome": _dome, "station": _station}


def shade(surface: Surface, view: View, lighting: Lighting) -> Field:
    """Linear light towards the camera from a surface, (H, W, 3) float32."""
    right, down = slopes(surface.height.astype(np.float32, copy=False), view.pixel)
    flat = 1.0 / (1.0 + right * right + down * down)
    mirror_x, mirror_y = -2.0 * right * flat, -2.0 * down * flat
    diffuse = _diffuse(-right, -down, np.sqrt(flat), lighting)
    gloss = _gloss(surface, view, lighting, mirror_x, mirror_y)
    hollow = _hollow(surface.height, view)
    plain = (1.0 - surface.metal) * diffuse * hollow
    metal = surface.metal * hollow
    shine = (1.0 - surface.metal) * (DIELECTRIC_F0 * hollow) * gloss
    light = surface.colour * (plain + metal * gloss)[..., None] + shine[..., None]
    return (light * np.asarray(lighting.tint, np.float32)).astype(np.float32, copy=False)


def _diffuse(normal_x: Field, normal_y: Field, normal_z: Field, lighting: Lighting) -> Field:
    total = np.full_like(normal_z, lighting.ambient)
    for lamp in lighting.lamps:
        up = (max(0.05, 1.0 - lamp.x**2 - lamp.y**2)) ** 0.5
        facing = (normal_x * lamp.x + normal_y * lamp.y + up) * normal_z
        total += np.maximum(facing, 0.0) * (lamp.power * lamp.width * 0.9)
    return total


def _gloss(
    surface: Surface, view: View, lighting: Lighting, mirror_x: Field, mirror_y: Field
) -> Field:
    grain = surface.grain.astype(np.float32, copy=False)
    cos, sin = np.cos(grain), np.sin(grain)
    mirror_x = mirror_x + lighting.nearness * view.x
    mirror_y = mirror_y + lighting.nearness * view.y
    along, across = mirror_x * cos + mirror_y * sin, mirror_y * cos - mirror_x * sin
    rough2 = surface.rough.astype(np.float32, copy=False) ** 2
    streak2 = surface.streak.astype(np.float32, copy=False) ** 2
    total = lighting.ambient * (1.0 - lighting.sky * mirror_y)
    for lamp in lighting.lamps:
        wide_along, wide_across = lamp.width**2 + rough2, lamp.width**2 + streak2
        gap_along = along - (lamp.x * cos + lamp.y * sin)
        gap_across = across - (lamp.y * cos - lamp.x * sin)
        level = -0.5 * (gap_along**2 / wide_along + gap_across**2 / wide_across)
        total += np.exp(level) * (lamp.power * lamp.width**2) / np.sqrt(wide_along * wide_across)
    return total


def _hollow(height: Field, view: View) -> Field:
    reach = 0.05
    depth = blur(height, reach / view.pixel) - height
    return np.exp(np.maximum(depth, 0.0) * (-0.9 / reach))


def shadowed(cover: Field, view: View, lighting: Lighting, *, thickness: float) -> Field:
    """How much light reaches the ground below a product, (H, W) 0..1.

    Args:
        cover: (H, W) where the product is.
        view: the view.
        lighting: the lamps; the strongest side casts the shadow.
        thickness: of the product, in product units.
    """
    power = sum(lamp.power for lamp in lighting.lamps)
    away_x = sum(lamp.x * lamp.power for lamp in lighting.lamps) / power
    away_y = sum(lamp.y * lamp.power for lamp in lighting.lamps) / power
    reach = thickness / view.pixel
    cast = blur(shifted(cover, -away_y * reach, -away_x * reach), 0.35 * reach)
    contact = blur(cover, 0.9 * reach)
    return (1.0 - lighting.shadow * cast) * (1.0 - 0.5 * contact)
