"""Defects that go into a surface: scratches, cracks, dents, holes, pits, scuffs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from res2clip.drawing.field import bump, mix, ramp
from res2clip.drawing.noise import clouds
from res2clip.drawing.spot import Spot, blob, stroke, to_line
from res2clip.drawing.surface import Surface, painted


def scratch(surface: Surface, spot: Spot) -> Surface:
    """One to three grooves with raised lips, brighter or darker than what they cut."""
    bright = bool(spot.rng.random() < 0.6)
    length = max(0.12, float(spot.rng.uniform(3.0, 7.0)) * spot.radius)
    width = max(
        0.5 * spot.pixel, min(0.05 * spot.radius, 0.0055) * float(spot.rng.uniform(0.5, 1.0))
    )
    x, y = stroke(spot, length=length, wander=float(spot.rng.choice([0.02, 0.06, 0.15])))
    for i in range(int(spot.rng.choice([1, 1, 1, 2, 3]))):
        aside = i * width * float(spot.rng.uniform(5, 12))
        surface = _groove(surface, spot, (x + aside, y - aside), width, bright=bright)
    return surface


def _groove(
    surface: Surface, spot: Spot, line: tuple[np.ndarray, np.ndarray], width: float, *, bright: bool
) -> Surface:
    gap, along = to_line(spot.view, *line, reach=6 * width)
    pressure = np.sqrt(np.maximum(4.0 * along * (1.0 - along), 0.0)) * min(1.3, spot.strength)
    core = (1.0 - ramp(gap, 0.4 * width, 1.5 * width)) * pressure
    lips = bump((gap - 2.0 * width) ** 2, 0.7 * width) * pressure
    fresh = mix(surface.colour, 1.0, 0.7) if bright else surface.colour * 0.18
    cut = painted(surface, core.clip(0, 1) * 0.9, fresh, rough=0.4)
    return replace(cut, height=surface.height + width * (0.25 * lips - 0.4 * core))


def crack(surface: Surface, spot: Spot) -> Surface:
    """A thin, jagged, branching dark line."""
    length = max(0.15, float(spot.rng.uniform(3.0, 6.0)) * spot.radius)
    width = max(0.5 * spot.pixel, min(0.1 * spot.radius, 0.008))
    x, y = stroke(spot, length=length, wander=0.45, steps=22)
    gap, along = to_line(spot.view, x, y, reach=8 * width)
    depth = (1.0 - ramp(gap, 0.3 * width, 1.7 * width)) * (1.0 - 0.5 * along)
    for _ in range(int(spot.rng.integers(0, 4))):
        i = int(spot.rng.integers(4, 18))
        branch = spot.moved(float(x[i]), float(y[i]), spot.radius)
        bx, by = stroke(branch, length=length * 0.3, wander=0.4, steps=8)
        gap, along = to_line(spot.view, bx - bx[0] + x[i], by - by[0] + y[i], reach=8 * width)
        depth = np.maximum(depth, (1.0 - ramp(gap, 0.2 * width, 1.4 * width)) * (1.0 - 0.8 * along))
    weight = depth * min(0.97, 0.75 * spot.strength)
    return replace(
        painted(surface, weight, surface.colour * 0.06, metal=0.0, rough=0.7),
        height=surface.height - 1.5 * width * depth,
    )


def dent(surface: Surface, spot: Spot) -> Surface:
    """A smooth depression with a slightly raised rim."""
    gap = spot.distance() / spot.radius
    lopsided = 1.0 + 0.25 * np.cos(
        np.arctan2(spot.view.y - spot.y, spot.view.x - spot.x) - spot.rng.uniform(0, 6.28)
    )
    gap = gap / lopsided
    depth = float(spot.rng.uniform(0.12, 0.3)) * spot.radius * spot.strength
    shape = bump(gap**2, 0.5) - 0.25 * bump((gap - 1.15) ** 2, 0.25)
    bruise = 0.15 * float(spot.rng.random()) * bump(gap**2, 0.5)
    marred = painted(surface, bruise, surface.colour * 0.5)
    return replace(marred, height=surface.height - depth * shape)


def hole(surface: Surface, spot: Spot) -> Surface:
    """A dark hole with a rim that catches the light."""
    where = blob(spot, wobble=float(spot.rng.uniform(0.03, 0.25)), soft=0.12)
    deep = painted(
        surface,
        where * min(1.0, 0.9 * spot.strength + 0.1),
        surface.colour * 0.05,
        metal=0.0,
        rough=0.8,
    )
    return replace(deep, height=surface.height - 0.5 * spot.radius * where)


def pitting(surface: Surface, spot: Spot) -> Surface:
    """A cluster of small corroded pits."""
    count = int(np.clip(spot.rng.poisson(6), 2, 14))
    rusty = spot.rng.random() < 0.5
    tone = (0.09, 0.045, 0.02) if rusty else (0.03, 0.03, 0.03)
    where = np.zeros_like(surface.height)
    for _ in range(count):
        far = spot.rng.normal(0.0, 0.55 * spot.radius, 2)
        size = max(0.9 * spot.pixel, spot.radius * float(spot.rng.uniform(0.1, 0.32)))
        pit = spot.moved(spot.x + float(far[0]), spot.y + float(far[1]), size)
        where = np.maximum(where, blob(pit, wobble=0.3, soft=0.5))
    eaten = painted(surface, where * min(0.95, 0.75 * spot.strength), tone, metal=0.0, rough=0.7)
    return replace(eaten, height=surface.height - 0.25 * spot.radius * where)


def scuff(surface: Surface, spot: Spot) -> Surface:
    """A rubbed patch of many fine parallel scratches."""
    turn = float(spot.rng.uniform(0, np.pi))
    lines = clouds(
        spot.rng, spot.view.size_px, wavelength=0.015, stretch=14.0, angle=turn, roughness=0.8
    )
    where = blob(spot, wobble=0.25, soft=0.7, long=float(spot.rng.uniform(1, 2))) * ramp(
        lines, -0.2, 1.4
    )
    pale = spot.rng.random() < 0.6
    target = mix(surface.colour, 0.8, 0.5) if pale else surface.colour * 0.35
    worn = painted(surface, where * min(0.9, 0.8 * spot.strength), target, rough=0.45)
    return replace(worn, height=surface.height - 0.0025 * where)
