"""Moulded and pressed products: caps, bottle mouths, capsules, tablets, buttons, seals, bricks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from PIL import ImageDraw

from res2clip.drawing.artwork import code, laid, write
from res2clip.drawing.draft import Draft, missing
from res2clip.drawing.field import Field, Rng, clip01, mix
from res2clip.drawing.finish import cast, grainy, mottled
from res2clip.drawing.shapes import around, box, cover, disc, ellipse, fillet, slot
from res2clip.drawing.surface import Surface, blank, hsv, painted, plastic_colour


def _letters(pen: ImageDraw.ImageDraw, rng: Rng, omit: int) -> None:
    del omit
    write(pen, code(rng, int(rng.integers(1, 4))), (256, 256), 230)


def _logo(pen: ImageDraw.ImageDraw, rng: Rng, omit: int) -> None:
    del omit
    kind = int(rng.integers(4))
    if kind == 0:
        pen.ellipse((40, 40, 472, 472), outline="white", width=26)
    elif kind == 1:
        pen.regular_polygon((256, 256, 210), int(rng.integers(3, 8)), outline="white", width=30)
    elif kind == 2:
        for i in range(3):
            pen.rectangle((60, 80 + 140 * i, 452, 140 + 140 * i), fill="white")
        return
    write(pen, code(rng, int(rng.integers(2, 5))), (256, 256), 120)


def _plastic(draft: Draft, *, rough: float | None = None) -> Surface:
    finish = float(draft.design.uniform(0.08, 0.4)) if rough is None else rough
    part = blank(draft.view, plastic_colour(draft.design), rough=finish)
    return cast(part, draft, wavelength=0.05, depth=0.35)


def _inked(part: Surface, where: Field, rng: Rng) -> Surface:
    """Artwork printed in a colour that stands out."""
    dark = float(part.colour.mean()) > 0.25
    ink = hsv(float(rng.random()), float(rng.uniform(0, 0.9)), 0.03 if dark else 0.75)
    return painted(part, where, ink)


def cap(draft: Draft) -> Surface:
    """A screw cap of a bottle from above: ribbed skirt, rounded top, printed logo."""
    design, view = draft.design, draft.view
    outer, ribs = float(design.uniform(0.6, 0.78)), int(design.choice([36, 48, 60]))
    part = _plastic(draft)
    turn = np.arctan2(view.v, view.u)
    outline = disc(view.u, view.v, outer) + 0.012 * np.cos(turn * ribs)
    skirt = clip01((outline + 0.16) / 0.12)
    top = fillet(outline + 0.08, 0.12) * 0.12 - 0.05 * np.cos(turn * ribs) * skirt * 0.4
    if design.random() < 0.5:
        top -= 0.02 * clip01((outer * 0.62 - np.hypot(view.u, view.v)) / 0.02)
    part = replace(part, height=part.height + top, cover=cover(outline, view.pixel))
    art = laid(_logo, draft, seed=int(design.integers(1 << 30)), scale=outer * 0.6)
    return _inked(part, art, design)


def bottle_mouth(draft: Draft) -> Surface:
    """A bottle from above: concentric rings of thick, dark or clear glass."""
    design, view = draft.design, draft.view
    outer = float(design.uniform(0.72, 0.86))
    radius = np.hypot(view.u, view.v)
    glass = hsv(
        float(design.choice([0.07, 0.28, 0.35, 0.55])), float(design.uniform(0.5, 0.9)), 0.14
    )
    part = mottled(blank(view, glass, rough=0.06), draft, wavelength=0.3, depth=0.08)
    lip = outer * float(design.uniform(0.5, 0.6))
    ring = (
        np.exp(-(((radius - lip) / 0.07) ** 2)) * 0.16
        + np.exp(-(((radius - outer + 0.1) / 0.06) ** 2)) * 0.08
    )
    inner = clip01((lip - 0.08 - radius) / 0.03)
    part = painted(part, inner, tuple(0.25 * c for c in glass), rough=0.3)  # type: ignore[arg-type]
    glow = np.exp(-(((radius - lip + 0.1) / 0.03) ** 2)) + 0.6 * np.exp(
        -(((radius - outer + 0.03) / 0.02) ** 2)
    )
    part = replace(part, colour=part.colour * (1.0 + 3.0 * glow)[..., None])
    return replace(
        part, height=part.height + ring, cover=cover(disc(view.u, view.v, outer), view.pixel)
    )


def capsule(draft: Draft) -> Surface:
    """A two-coloured gelatine capsule lying on its side, with an imprint."""
    design, u, v = draft.design, draft.view.u, draft.view.v
    thick, long = float(design.uniform(0.26, 0.36)), float(design.uniform(0.36, 0.5))
    first, second = plastic_colour(design), plastic_colour(design)
    split = float(design.uniform(-0.1, 0.15))
    outline = slot(u, v, long, thick)
    outer = np.where(u < split, outline - 0.018, outline)
    part = mottled(blank(draft.view, first, rough=0.07), draft, wavelength=0.3, depth=0.03)
    part = painted(part, cover(split - u, draft.view.pixel), second)
    round_ = fillet(outer, thick) * thick * 0.9
    part = replace(part, height=round_ - 0.01 * (u > split), cover=cover(outer, draft.view.pixel))
    art = laid(_letters, draft, seed=int(design.integers(1 << 30)), scale=thick * 1.1)
    return _inked(part, art * 0.9, design)


def tablet(draft: Draft) -> Surface:
    """A pressed tablet, round or oblong, with a score line or an embossed code, maybe speckled."""
    design, view = draft.design, draft.view
    u, v = view.u, view.v
    colour = hsv(
        float(design.random()),
        float(design.choice([0.0, 0.05, 0.3, 0.6])),
        float(design.uniform(0.45, 0.8)),
    )
    if design.random() < 0.5:
        outline = disc(u, v, float(design.uniform(0.5, 0.7)))
    else:
        outline = ellipse(u, v, float(design.uniform(0.7, 0.82)), float(design.uniform(0.36, 0.5)))
    part = mottled(blank(view, colour, rough=0.5), draft, wavelength=0.15, depth=0.025)
    if design.random() < 0.4:
        speck = clip01(draft.chance.standard_normal(u.shape, dtype=np.float32) * 0.6 - 1.1)
        part = painted(part, speck, hsv(float(design.random()), 0.8, 0.3))
    part = grainy(part, draft, depth=0.02)
    relief = fillet(outline, 0.3) * float(design.uniform(0.05, 0.16)) + fillet(outline, 0.06) * 0.05
    there = 1.0 * (draft.flaw != "missing_feature")
    if design.random() < 0.5:
        relief -= (0.035 * there) * np.exp(-((u / 0.025) ** 2))
    else:
        letters = laid(_letters, draft, seed=int(design.integers(1 << 30)), scale=0.36)
        relief -= (0.02 * there) * letters
    return replace(part, height=part.height + relief, cover=cover(outline, view.pixel))


def button(draft: Draft) -> Surface:
    """A garment button with two or four holes and a raised rim."""
    design, view = draft.design, draft.view
    outer, count = float(design.uniform(0.55, 0.75)), int(design.choice([2, 4]))
    part = mottled(_plastic(draft), draft, wavelength=0.4, depth=float(design.uniform(0.0, 0.12)))
    outline = disc(view.u, view.v, outer)
    rim = np.exp(-(((outline + 0.12) / 0.06) ** 2)) * float(design.uniform(0.03, 0.1))
    place_u, place_v, index = around(view.u, view.v, count, outer * 0.24)
    hole = np.hypot(view.u - place_u, view.v - place_v) - outer * 0.1
    there = (index != missing(draft, count)) * 1.0
    open_ = cover(hole, view.pixel) * there
    sink = clip01(1.0 - hole / 0.03) * there
    shape = rim + fillet(outline, 0.08) * 0.08 - 0.03 * sink
    return replace(
        part, height=part.height + shape, cover=cover(outline, view.pixel) * (1.0 - open_)
    )


def seal(draft: Draft) -> Surface:
    """A rubber O-ring or flat gasket."""
    design, view = draft.design, draft.view
    outer, wide = float(design.uniform(0.6, 0.82)), float(design.uniform(0.06, 0.16))
    colour = hsv(
        float(design.random()),
        float(design.choice([0.05, 0.7])),
        float(design.choice([0.02, 0.04, 0.2])),
    )
    part = cast(blank(view, colour, rough=0.3), draft, wavelength=0.04, depth=0.8)
    ring = np.abs(np.hypot(view.u, view.v) - (outer - wide)) - wide
    shape = fillet(ring, wide if design.random() < 0.7 else 0.03) * wide
    return replace(part, height=part.height + shape, cover=cover(ring, view.pixel))


def brick(draft: Draft) -> Surface:
    """A toy building brick from above: a plate with studs."""
    design, view = draft.design, draft.view
    columns, rows = int(design.integers(2, 5)), int(design.integers(2, 4))
    pitch = 1.5 / max(columns, rows)
    part = _plastic(draft, rough=float(design.uniform(0.06, 0.2)))
    outline = box(view.u, view.v, columns * pitch / 2, rows * pitch / 2, 0.02)
    column = np.clip(np.floor(view.u / pitch + columns / 2), 0, columns - 1)
    row = np.clip(np.floor(view.v / pitch + rows / 2), 0, rows - 1)
    off_u = view.u - (column + 0.5 - columns / 2) * pitch
    off_v = view.v - (row + 0.5 - rows / 2) * pitch
    stud = np.hypot(off_u, off_v) - 0.3 * pitch
    there = (row * columns + column != missing(draft, columns * rows)) * 1.0
    shape = 0.12 * pitch * clip01(-stud / 0.03 + 0.2) * there + fillet(outline, 0.03) * 0.03
    return replace(part, height=part.height + shape, cover=cover(outline, view.pixel))


def candle(draft: Draft) -> Surface:
    """A wax disc with a wick in a metal cup, from above."""
    design, view = draft.design, draft.view
    outer = float(design.uniform(0.6, 0.75))
    wax = hsv(
        float(design.random()), float(design.uniform(0.0, 0.6)), float(design.uniform(0.5, 0.8))
    )
    part = mottled(blank(view, wax, rough=0.25), draft, wavelength=0.4, depth=0.05)
    outline = disc(view.u, view.v, outer)
    cup = cover(-outline - 0.06, view.pixel)
    part = painted(part, cup, (0.75, 0.75, 0.77), metal=1.0, rough=0.15)
    pool = mix(np.zeros_like(outline), 0.05, np.exp(-(((outline + 0.06) / 0.05) ** 2)))
    part = replace(part, height=part.height + pool + 0.05 * cup * np.sin(outline * 70.0) ** 2)
    if draft.flaw != "missing_feature":
        lean = float(design.uniform(0, 6.28))
        wick = slot(view.u - 0.06 * np.cos(lean), view.v - 0.06 * np.sin(lean), 0.07, 0.025)
        part = painted(part, cover(wick, view.pixel), (0.6, 0.57, 0.5), rough=0.7)
        part = replace(part, height=part.height + 0.05 * cover(wick, view.pixel))
    return replace(part, cover=cover(outline, view.pixel))
