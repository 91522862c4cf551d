"""Defects that lie on a surface: stains, dirt, fibres, discolouration."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from res2clip.drawing.field import Field, mix, ramp
from res2clip.drawing.noise import clouds
from res2clip.drawing.spot import Spot, blob, stroke, to_line
from res2clip.drawing.surface import Colour, Surface, hsv, painted


def stain(surface: Surface, spot: Spot) -> Surface:
    """A film of oil, a dried drop, a splash of paint or a patch of rust."""
    kind = str(spot.rng.choice(["oil", "drop", "paint", "rust"]))
    return _STAINS[kind](surface, spot)


def _oil(surface: Surface, spot: Spot) -> Surface:
    where = blob(spot, wobble=0.25, soft=0.5, long=float(spot.rng.uniform(1, 2.5)))
    weight = where * min(0.85, 0.6 * spot.strength)
    brown = hsv(float(spot.rng.uniform(0.05, 0.13)), float(spot.rng.uniform(0.2, 0.8)), 0.45)
    darker = surface.colour * np.asarray(brown, np.float32)
    return replace(
        painted(surface, weight, darker), rough=mix(surface.rough, surface.rough * 0.6, where)
    )


def _drop(surface: Surface, spot: Spot) -> Surface:
    where = blob(spot, wobble=0.12, soft=0.35, long=float(spot.rng.uniform(1, 1.5)))
    ring = 4.0 * where * (1.0 - where)
    pale = spot.rng.random() < 0.5
    target: Field = surface.colour * 0.35 if not pale else mix(surface.colour, 0.75, 0.8)
    weight = (ring + 0.25 * where).clip(0, 1) * min(0.9, 0.75 * spot.strength)
    return replace(
        painted(surface, weight, target),
        metal=surface.metal * (1.0 - (0.6 if pale else 0.0) * weight),
    )


def _paint(surface: Surface, spot: Spot) -> Surface:
    where = blob(spot, wobble=0.3, soft=0.06)
    for _ in range(int(spot.rng.integers(0, 5))):
        turn, far = spot.rng.uniform(0, 2 * np.pi), spot.radius * spot.rng.uniform(1.2, 2.2)
        x, y = spot.x + far * np.cos(turn), spot.y + far * np.sin(turn)
        where = np.maximum(where, blob(spot.moved(x, y, spot.radius * 0.2), soft=0.2))
    colour = hsv(
        float(spot.rng.random()),
        float(spot.rng.uniform(0.3, 0.95)),
        float(spot.rng.uniform(0.02, 0.7)),
    )
    wet = painted(
        surface, where * min(1.0, 0.5 + 0.5 * spot.strength), colour, metal=0.0, rough=0.15
    )
    return replace(wet, height=surface.height + where * 0.008 * min(1.0, spot.radius / 0.05))


def _rust(surface: Surface, spot: Spot) -> Surface:
    grain = clouds(
        spot.rng, spot.view.size_px, wavelength=max(0.05, spot.radius * 0.6), roughness=0.8
    )
    where = blob(spot, wobble=0.3, soft=0.6) * ramp(grain, -0.9, 0.5)
    tone = clouds(spot.rng, spot.view.size_px, wavelength=0.05, roughness=0.7)
    brown = np.asarray(hsv(float(spot.rng.uniform(0.03, 0.08)), 0.75, 0.13), np.float32)
    colour = brown * (1.0 + 0.4 * tone).clip(0.2, 2.2)[..., None]
    return painted(surface, where * min(1.0, 0.9 * spot.strength), colour, metal=0.0, rough=0.7)


_STAINS = {"oil": _oil, "drop": _drop, "paint": _paint, "rust": _rust}


def contamination(surface: Surface, spot: Spot) -> Surface:
    """Specks of dirt, dust or swarf lying on the surface."""
    count = int(spot.rng.integers(1, 9))
    where = np.zeros_like(surface.height)
    for _ in range(count):
        turn, far = spot.rng.uniform(0, 2 * np.pi), spot.radius * spot.rng.uniform(0.0, 1.3)
        size = max(1.1 * spot.pixel, spot.radius * spot.rng.uniform(0.35, 0.9) / count**0.5)
        speck = spot.moved(spot.x + far * np.cos(turn), spot.y + far * np.sin(turn), float(size))
        where = np.maximum(
            where, blob(speck, wobble=0.3, soft=0.2, long=float(spot.rng.uniform(1, 3)))
        )
    tone = _dirt(spot)
    shiny = bool(spot.rng.random() < 0.2)
    dirty = painted(
        surface,
        where * min(1.0, 0.4 + 0.6 * spot.strength),
        tone,
        metal=1.0 * shiny,
        rough=0.15 if shiny else 0.6,
    )
    return replace(dirty, height=surface.height + where * 0.3 * min(spot.radius, 0.05))


def _dirt(spot: Spot) -> Colour:
    kind = spot.rng.random()
    if kind < 0.5:
        return hsv(0.08, 0.4, float(spot.rng.uniform(0.005, 0.06)))
    if kind < 0.75:
        return hsv(0.1, 0.1, float(spot.rng.uniform(0.6, 0.95)))
    return hsv(float(spot.rng.random()), 0.8, float(spot.rng.uniform(0.1, 0.7)))


def fibre(surface: Surface, spot: Spot) -> Surface:
    """A hair or thread lying on the surface, with the shadow it casts."""
    x, y = stroke(
        spot, length=max(0.1, 5.0 * spot.radius), wander=float(spot.rng.uniform(0.1, 0.5)), steps=20
    )
    thick = max(0.55 * spot.pixel, float(spot.rng.uniform(0.002, 0.006)))
    gap, _ = to_line(spot.view, x, y, reach=6 * thick)
    where = 1.0 - ramp(gap, 0.5 * thick, 1.6 * thick)
    cast, _ = to_line(spot.view, x + 1.8 * thick, y + 1.8 * thick, reach=6 * thick)
    shade = (1.0 - ramp(cast, 0.0, 3.0 * thick)) * 0.35 * spot.strength
    under = painted(surface, shade, (0.0, 0.0, 0.0))
    tone = _dirt(spot)
    laid = painted(under, where * min(1.0, 0.5 + 0.5 * spot.strength), tone, metal=0.0, rough=0.4)
    return replace(laid, height=surface.height + where * 0.4 * thick)


def discolouration(surface: Surface, spot: Spot) -> Surface:
    """A patch of another tone or hue: heat tint, fading, bleeding dye."""
    where = blob(spot, wobble=0.2, soft=0.9, long=float(spot.rng.uniform(1, 3)))
    return _retinted(surface, spot, where)


def wrong_colour(surface: Surface, spot: Spot) -> Surface:
    """The whole product in a colour that is not its own."""
    return _retinted(surface, spot, np.ones_like(surface.height))


def _retinted(surface: Surface, spot: Spot, where: Field) -> Surface:
    hue, amount = float(spot.rng.random()), 0.35 + 0.5 * min(spot.strength, 1.5)
    tint = np.asarray(hsv(hue, float(spot.rng.uniform(0.3, 0.9)), 1.0), np.float32)
    gain = float(spot.rng.choice([0.6, 0.8, 1.3]))
    grey = surface.colour.mean(axis=-1, keepdims=True)
    target = np.clip((0.5 * grey + 0.5 * surface.colour) * tint * gain, 0.0, 1.0)
    return painted(surface, where * min(amount, 1.0), target)
