"""Grown and baked products: nuts, beans, fruit, eggs, biscuits, leaves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from res2clip.drawing.draft import Draft
from res2clip.drawing.field import Field, bump, clip01, mix, ramp
from res2clip.drawing.finish import cast, mottled
from res2clip.drawing.noise import cells, clouds, curve, lookup
from res2clip.drawing.shapes import cover, ellipse, fillet
from res2clip.drawing.surface import Colour, Surface, blank, hsv, painted


def _individual(draft: Draft, half_u: float, half_v: float, *, wobble: float) -> Field:
    """The outline of one individual: an ellipse with its own size, proportion and bumps."""
    chance, view = draft.chance, draft.view
    size = float(1.0 + 0.03 * np.clip(chance.normal(), -2, 2))
    lean = float(1.0 + 0.025 * np.clip(chance.normal(), -2, 2))
    turn = np.arctan2(view.v, view.u) / (2 * np.pi)
    bumps = lookup(curve(chance, 64, smooth=5.0), turn) * (wobble * min(half_u, half_v))
    return ellipse(view.u, view.v, half_u * size * lean, half_v * size / lean) - bumps


def _domed(part: Surface, outline: Field, draft: Draft, width: float, height: float) -> Surface:
    dome = fillet(outline, width) * height
    return replace(part, height=part.height + dome, cover=cover(outline, draft.view.pixel))


def _brown(draft: Draft) -> Colour:
    design = draft.design
    return hsv(
        float(design.uniform(0.04, 0.1)),
        float(design.uniform(0.5, 0.85)),
        float(design.uniform(0.15, 0.5)),
    )


def hazelnut(draft: Draft) -> Surface:
    """A nut in its shell: streaks from pole to pole and a pale base."""
    design, view = draft.design, draft.view
    half_u, half_v = float(design.uniform(0.55, 0.66)), float(design.uniform(0.6, 0.74))
    base = float(design.uniform(0.4, 0.7))
    outline = _individual(draft, half_u, half_v, wobble=0.02)
    part = mottled(blank(view, _brown(draft), rough=0.3), draft, wavelength=0.25, depth=0.12)
    fan = np.arctan2(view.u, view.v + 1.4 * half_v)
    streak = lookup(curve(draft.chance, 300, smooth=0.8), fan / 1.8 + 0.5)
    part = replace(part, colour=part.colour * (1.0 + 0.13 * streak)[..., None])
    edge = lookup(curve(draft.chance, 64, smooth=2.0), fan / 1.8 + 0.5) * 0.04
    pale = ramp(view.v + edge - base * half_v + 0.25 * view.u**2, -0.02, 0.05)
    part = painted(part, 0.85 * pale, hsv(0.1, 0.4, 0.5), rough=0.6)
    part = replace(part, height=part.height + 0.004 * streak)
    return _domed(part, outline, draft, half_u, half_u * 0.8)


def bean(draft: Draft) -> Surface:
    """A coffee bean, almond or kidney bean, with or without a seam."""
    design, view = draft.design, draft.view
    half_u, half_v = float(design.uniform(0.7, 0.8)), float(design.uniform(0.42, 0.55))
    bend, seam = float(design.uniform(-0.15, 0.15)), design.random() < 0.6
    outline = _individual(draft, half_u, half_v, wobble=0.02)
    outline = outline + bend * np.abs(view.u) * 0.3
    part = mottled(blank(view, _brown(draft), rough=0.22), draft, wavelength=0.2, depth=0.1)
    part = cast(part, draft, wavelength=0.08, depth=0.8)
    groove = lookup(curve(draft.chance, 32, smooth=2.0), view.u * 0.4) * 0.025
    cut = (
        bump((view.v + groove - 0.05 * np.sin(view.u * 4.0)) ** 2, 0.03)
        * seam
        * (np.abs(view.u) < half_u)
    )
    part = replace(
        part, height=part.height - 0.05 * cut, colour=part.colour * (1.0 - 0.6 * cut)[..., None]
    )
    return _domed(part, outline, draft, half_v, half_v * 0.7)


def fruit(draft: Draft) -> Surface:
    """An apple, orange or tomato from above, with its stalk."""
    design, view = draft.design, draft.view
    radius, hue = (
        float(design.uniform(0.62, 0.76)),
        float(design.choice([0.0, 0.02, 0.08, 0.14, 0.24, 0.3])),
    )
    outline = _individual(draft, radius, radius, wobble=0.025)
    part = blank(
        view,
        hsv(hue, 0.85, float(design.uniform(0.4, 0.65))),
        rough=float(design.uniform(0.12, 0.4)),
    )
    part = mottled(part, draft, wavelength=0.4, depth=0.1)
    turn = np.arctan2(view.v, view.u)
    rays = lookup(curve(draft.chance, 200, smooth=1.0), turn / (2 * np.pi)) * ramp(
        np.hypot(view.u, view.v), 0.0, 0.3
    )
    part = painted(part, clip01(0.18 * rays * float(design.random())), hsv(hue + 0.06, 0.7, 0.6))
    pores = cells(draft.design, view.u * 20.0, view.v * 20.0)
    pore = bump(pores.nearest**2, 0.12) * float(design.random())
    part = replace(
        part, height=part.height - 0.006 * pore, colour=part.colour * (1 + 0.15 * pore)[..., None]
    )
    middle = view.u**2 + view.v**2
    part = replace(part, height=part.height - 0.12 * bump(middle, 0.09))
    part = _domed(part, outline, draft, radius, radius * 0.75)
    if draft.flaw != "missing_feature":
        part = painted(part, bump(middle, 0.03).clip(0, 1), (0.12, 0.08, 0.03), rough=0.6)
    return part


def egg(draft: Draft) -> Surface:
    """A hen's egg, white, brown or speckled."""
    design, view = draft.design, draft.view
    half_u, half_v = float(design.uniform(0.66, 0.76)), float(design.uniform(0.5, 0.58))
    outline = _individual(draft, half_u, half_v, wobble=0.006) + 0.12 * view.u * np.abs(view.v)
    shell = hsv(
        float(design.uniform(0.06, 0.11)),
        float(design.uniform(0.05, 0.5)),
        float(design.uniform(0.5, 0.8)),
    )
    part = cast(blank(view, shell, rough=0.5), draft, wavelength=0.03, depth=0.5)
    spots = clouds(draft.chance, view.size_px, wavelength=0.06)
    part = painted(
        part, ramp(spots, 1.6, 2.0) * float(design.choice([0.0, 0.0, 0.7])), (0.15, 0.1, 0.06)
    )
    return _domed(part, outline, draft, half_v, half_v * 0.8)


def biscuit(draft: Draft) -> Surface:
    """A biscuit or cookie, plain with a pattern of holes, or with chocolate drops."""
    design, view = draft.design, draft.view
    radius, drops = float(design.uniform(0.62, 0.76)), design.random() < 0.5
    outline = _individual(draft, radius, radius, wobble=0.012)
    dough = hsv(
        float(design.uniform(0.08, 0.11)),
        float(design.uniform(0.5, 0.7)),
        float(design.uniform(0.4, 0.62)),
    )
    part = mottled(blank(view, dough, rough=0.6), draft, wavelength=0.2, depth=0.08)
    part = cast(part, draft, wavelength=0.07, depth=2.0)
    baked = clip01(1.0 + outline / 0.2)
    part = replace(part, colour=part.colour * (1.0 - 0.4 * baked)[..., None])
    if drops:
        lumps = cells(draft.chance, view.u * 4.0, view.v * 4.0)
        drop = 1.0 - ramp(lumps.nearest, 0.22, 0.32)
        drop = drop * (lumps.tone > 0.45)
        part = painted(part, drop, (0.06, 0.03, 0.02), rough=0.25)
        part = replace(part, height=part.height + 0.03 * drop)
    else:
        pitch = 0.22
        gap = np.hypot(np.mod(view.u, pitch) - pitch / 2, np.mod(view.v, pitch) - pitch / 2)
        inner = cover(outline + 0.14, view.pixel)
        part = replace(part, height=part.height - 0.03 * inner * bump(gap**2, 0.025))
        part = replace(
            part, colour=part.colour * (1.0 - 0.5 * inner * bump(gap**2, 0.02))[..., None]
        )
    return _domed(part, outline, draft, 0.14, 0.1)


def leaf(draft: Draft) -> Surface:
    """A leaf with a midrib and side veins."""
    design, view = draft.design, draft.view
    half_u, half_v = float(design.uniform(0.78, 0.86)), float(design.uniform(0.36, 0.5))
    outline = _individual(draft, half_u, half_v, wobble=0.03) + 0.2 * np.abs(view.u) * np.abs(
        view.v
    )
    green = hsv(float(design.uniform(0.2, 0.36)), 0.8, float(design.uniform(0.12, 0.4)))
    part = mottled(blank(view, green, rough=0.35), draft, wavelength=0.2, depth=0.08)
    count, slant = float(design.uniform(5, 9)), float(design.uniform(0.8, 1.6))
    phase = np.mod((view.u - slant * np.abs(view.v)) * count, 1.0) - 0.5
    vein = np.maximum(bump(view.v**2, 0.014), 0.7 * bump((phase / count) ** 2, 0.009))
    part = painted(part, 0.5 * vein, mix(np.asarray(green), 0.8, 0.4))
    part = replace(part, height=part.height + 0.02 * vein - 0.02 * np.cos(phase * 6.28))
    return _domed(part, outline, draft, 0.1, 0.04)
