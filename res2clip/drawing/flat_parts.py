"""Flat metal parts: brackets, perforated plates, nuts, gears, blades, castings."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from res2clip.drawing.draft import Draft, missing
from res2clip.drawing.field import clip01
from res2clip.drawing.finish import brushed, cast, mottled, turned
from res2clip.drawing.shapes import around, box, cover, disc, polygon, slot
from res2clip.drawing.surface import Surface, blank, metal_colour, painted, plastic_colour
from res2clip.drawing.turned_parts import bored, edged, handled


def _stock(draft: Draft) -> Surface:
    """Brushed, cast, painted or plain sheet."""
    design = draft.design
    kind, angle = design.random(), float(design.choice([0.0, np.pi / 2, 0.6]))
    depth, rough = float(design.uniform(0.4, 1.3)), float(design.uniform(0.1, 0.35))
    metal, paint = metal_colour(design), plastic_colour(design)
    if kind < 0.5:
        return brushed(
            blank(draft.view, metal, metal=1.0, rough=rough), draft, angle=angle, depth=depth
        )
    if kind < 0.8:
        return cast(blank(draft.view, metal, metal=1.0, rough=rough + 0.1), draft, depth=depth)
    return cast(blank(draft.view, paint, rough=rough), draft, wavelength=0.05, depth=0.4 * depth)


def bracket(draft: Draft) -> Surface:
    """A rectangular mounting plate with holes, a slot and a bead."""
    design, u, v = draft.design, draft.view.u, draft.view.v
    half_u, half_v = float(design.uniform(0.6, 0.85)), float(design.uniform(0.3, 0.65))
    part = _stock(draft)
    if design.random() < 0.6:
        bead = slot(u, v, half_u * 0.4, 0.5 * half_v * float(design.uniform(0.3, 0.6)))
        part = replace(part, height=part.height + 0.03 * clip01(-bead / 0.05))
    corner = float(design.uniform(0.02, 0.2))
    part = edged(part, draft, box(u, v, half_u, half_v, corner), 0.02)
    radius, inset = float(design.uniform(0.06, 0.11)), float(design.uniform(0.16, 0.24))
    spots_u = np.where(u > 0, half_u - inset, inset - half_u)
    spots_v = np.where(v > 0, half_v - inset, inset - half_v) if half_v > 0.45 else 0.0 * v
    quarter = (u > 0) + 2 * (v > 0) * (half_v > 0.45)
    gone = missing(draft, 4 if half_v > 0.45 else 2)
    size = np.where(quarter == gone, -1.0, radius)
    return handled(bored(part, draft, (spots_u, spots_v), size, depth=0.06), draft)


def plate(draft: Draft) -> Surface:
    """A perforated plate of rows of round holes."""
    design, u, v = draft.design, draft.view.u, draft.view.v
    columns, rows = int(design.integers(3, 7)), int(design.integers(2, 6))
    pitch = float(design.uniform(0.2, 0.26))
    part = edged(
        _stock(draft),
        draft,
        box(u, v, columns * pitch / 2 + 0.08, rows * pitch / 2 + 0.08, 0.05),
        0.015,
    )
    column = np.clip(np.floor(u / pitch + columns / 2), 0, columns - 1)
    row = np.clip(np.floor(v / pitch + rows / 2), 0, rows - 1)
    centre = ((column + 0.5 - columns / 2) * pitch, (row + 0.5 - rows / 2) * pitch)
    gone = missing(draft, columns * rows)
    size = np.where(row * columns + column == gone, -1.0, pitch * float(design.uniform(0.2, 0.36)))
    return handled(bored(part, draft, centre, size, depth=0.04), draft)


def nut(draft: Draft) -> Surface:
    """A hexagon or square nut with a chamfered face and a threaded bore."""
    design, view = draft.design, draft.view
    inradius = float(design.uniform(0.5, 0.68))
    bore = inradius * float(design.uniform(0.42, 0.6))
    part = blank(view, metal_colour(design), metal=1.0, rough=float(design.uniform(0.1, 0.25)))
    part = turned(part, draft, depth=float(design.uniform(0.3, 0.9)))
    outline = polygon(view.u, view.v, int(design.choice([6, 6, 6, 4, 8])), inradius, 0.02)
    dome = disc(view.u, view.v, inradius * 1.01)
    part = replace(part, height=part.height - 0.45 * np.maximum(dome, 0.0))
    part = edged(part, draft, outline, 0.025)
    ring = disc(view.u, view.v, bore)
    part = bored(part, draft, (0.0, 0.0), bore * 0.9, depth=0.12, countersink=0.2)
    threads = 0.5 + 0.5 * np.sin(ring * (2 * np.pi / 0.035) + np.arctan2(view.v, view.u))
    inner = cover(ring, view.pixel) * cover(-disc(view.u, view.v, bore * 0.78), view.pixel)
    return handled(painted(part, 0.55 * inner * threads, (0.04, 0.04, 0.04)), draft)


def gear(draft: Draft) -> Surface:
    """A spur gear with a bore and lightening holes."""
    design, view = draft.design, draft.view
    teeth, outer = int(design.integers(14, 34)), float(design.uniform(0.68, 0.82))
    tall = float(design.uniform(1.7, 2.3)) * outer / teeth
    bore, holes = outer * float(design.uniform(0.14, 0.24)), int(design.choice([0, 4, 5, 6]))
    turn = np.arctan2(view.v, view.u)
    index = np.mod(np.rint(turn * teeth / (2 * np.pi)), teeth)
    wave = np.cos(turn * teeth) * (1.0 * (index != missing(draft, teeth))) - 1.0 * (
        index == missing(draft, teeth)
    )
    tooth = np.clip(wave * 2.2, -1.0, 1.0) * (0.5 * tall)
    part = blank(view, metal_colour(design), metal=1.0, rough=float(design.uniform(0.1, 0.3)))
    part = turned(part, draft, depth=float(design.uniform(0.4, 1.0)))
    radius = np.hypot(view.u, view.v)
    web = clip01((radius - outer * 0.45) / 0.03) * clip01((outer * 0.78 - radius) / 0.03)
    part = replace(part, height=part.height - 0.05 * web * (design.random() < 0.6))
    part = edged(part, draft, radius - (outer - tall / 2) - tooth, 0.018)
    part = bored(part, draft, (0.0, 0.0), bore, countersink=0.12)
    if holes:
        place_u, place_v, _ = around(view.u, view.v, holes, outer * 0.61)
        part = bored(part, draft, (place_u, place_v), outer * 0.13, depth=0.06, countersink=0.1)
    return handled(part, draft)


def blade(draft: Draft) -> Surface:
    """A ground blade or saw segment: a long plate with a bevel and fixing holes."""
    design, u, v = draft.design, draft.view.u, draft.view.v
    half_u, half_v = float(design.uniform(0.75, 0.92)), float(design.uniform(0.2, 0.38))
    teeth = float(design.choice([0.0, 0.05, 0.08]))
    part = blank(
        draft.view, metal_colour(design, weights="steel titanium black"), metal=1.0, rough=0.12
    )
    part = brushed(part, draft, angle=np.pi / 2, depth=float(design.uniform(0.3, 0.9)))
    saw = teeth * np.abs(np.mod(u / 0.12, 1.0) - 0.5)
    bevel = clip01((v - (half_v - 0.14)) / 0.14)
    part = replace(part, height=part.height - 0.1 * bevel)
    part = edged(part, draft, box(u, v + saw * (v > 0), half_u, half_v, 0.03), 0.008)
    spots = np.where(u > 0, half_u * 0.55, -half_u * 0.55)
    gone = missing(draft, 2)
    size = np.where((u > 0) == gone, -1.0, 0.075) if gone >= 0 else 0.075
    return handled(bored(part, draft, (spots, -0.25 * half_v), size, depth=0.03), draft)


def casting(draft: Draft) -> Surface:
    """A rough casting with a machined boss and ribs."""
    design, view = draft.design, draft.view
    outer, ribs = float(design.uniform(0.62, 0.8)), int(design.integers(3, 7))
    part = blank(
        view, metal_colour(design, weights="black steel bronze aluminium"), metal=0.8, rough=0.45
    )
    part = cast(mottled(part, draft, wavelength=0.2, depth=0.06), draft, wavelength=0.04, depth=1.6)
    radius = np.hypot(view.u, view.v)
    place_u, place_v, index = around(view.u, view.v, ribs, 0.5)
    side = np.abs(view.u * place_v - view.v * place_u) / 0.5 - 0.045
    rib = clip01(-side / 0.03) * (index != missing(draft, ribs))
    boss = outer * float(design.uniform(0.32, 0.42))
    rim = clip01((radius - outer * 0.86) / 0.03)
    height = np.maximum(
        0.09 * rib * (radius < outer), 0.1 * np.maximum(rim, clip01((boss - radius) / 0.03))
    )
    faced = turned(part, draft, depth=0.8)
    worked = cover(np.minimum(radius - boss, outer * 0.88 - radius), view.pixel)
    part = replace(
        part,
        height=part.height * (1 - worked) + height.astype(np.float32),
        streak=np.where(worked > 0.5, faced.streak, part.streak),
        grain=np.where(worked > 0.5, faced.grain, part.grain),
        rough=np.where(worked > 0.5, 0.15, part.rough),
        colour=part.colour * (1.0 + 0.5 * worked)[..., None],
    )
    part = edged(part, draft, disc(view.u, view.v, outer), 0.04)
    return bored(part, draft, (0.0, 0.0), boss * 0.5, countersink=0.12)
