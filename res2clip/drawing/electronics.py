"""Electronic products: circuit boards, chips, connectors, cables, solar cells."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from PIL import ImageDraw

from res2clip.drawing.artwork import code, laid, write
from res2clip.drawing.draft import Draft, missing
from res2clip.drawing.field import Rng, clip01
from res2clip.drawing.finish import cast, grainy, mottled
from res2clip.drawing.noise import cells, curve, lookup
from res2clip.drawing.shapes import around, box, cover, disc, fillet
from res2clip.drawing.surface import Surface, blank, hsv, painted, plastic_colour

_PARTS = 14


def _copper(pen: ImageDraw.ImageDraw, rng: Rng, omit: int) -> None:
    """Tracks (grey), pads and vias (white)."""
    del omit
    for _ in range(46):
        x, y = (int(k) for k in rng.integers(1, 31, 2) * 16)
        route = [(x, y)]
        for leg in rng.integers(-9, 10, 3):
            x, y = (x + int(leg) * 16, y) if len(route) % 2 else (x, y + int(leg) * 16)
            route.append((x, y))
        pen.line(route, fill=110, width=int(rng.choice([4, 6, 6, 9])))
        pen.ellipse((x - 8, y - 8, x + 8, y + 8), fill=255)
        pen.ellipse((x - 3, y - 3, x + 3, y + 3), fill=0)


def _outlines(rng: Rng) -> list[tuple[int, int, int, int, int]]:
    """Left, top, right, bottom and kind of a board's components, not overlapping."""
    taken: list[tuple[int, int, int, int, int]] = []
    for _ in range(400):
        wide, tall, kind = [(110, 110, 0), (70, 44, 0), (40, 20, 1), (20, 40, 2), (52, 52, 3)][
            int(rng.choice([0, 1, 2, 3, 4], p=[0.12, 0.2, 0.28, 0.25, 0.15]))
        ]
        left, top = int(rng.integers(24, 488 - wide)), int(rng.integers(24, 488 - tall))
        spot = (left, top, left + wide, top + tall, kind)
        apart = all(
            spot[2] + 14 < o[0] or o[2] + 14 < left or spot[3] + 14 < o[1] or o[3] + 14 < top
            for o in taken
        )
        if apart:
            taken.append(spot)
        if len(taken) == _PARTS:
            break
    return taken


def _components(pen: ImageDraw.ImageDraw, rng: Rng, omit: int) -> None:
    """Colours of the components and their legs; black where there is only board."""
    for i, (left, top, right, bottom, kind) in enumerate(_outlines(rng)):
        tone = int(rng.integers(24, 44))
        if i == omit:
            continue
        if kind == 0:
            for x in range(left + 6, right - 5, 14):
                pen.rectangle((x, top - 9, x + 6, bottom + 9), fill=(215, 215, 220))
            pen.rectangle((left, top, right, bottom), fill=(tone, tone, tone + 3))
            pen.ellipse((left + 8, top + 8, left + 18, top + 18), fill=(90, 90, 90))
        elif kind == 3:
            pen.ellipse((left, top, right, bottom), fill=(200, 205, 215))
            pen.chord((left, top, right, bottom), 110, 250, fill=(40, 40, 60))
        else:
            body = (150, 115, 80) if tone > 34 else (tone, tone, tone)
            pen.rectangle((left, top, right, bottom), fill=(225, 225, 225))
            inset = 8
            flat = (left + inset, top, right - inset, bottom)
            pen.rectangle(
                flat if kind == 1 else (left, top + inset, right, bottom - inset), fill=body
            )


def _heights(pen: ImageDraw.ImageDraw, rng: Rng, omit: int) -> None:
    for i, (left, top, right, bottom, kind) in enumerate(_outlines(rng)):
        if i != omit:
            pen.rectangle((left, top, right, bottom), fill=(160, 90, 90, 255)[kind])


def _silk(pen: ImageDraw.ImageDraw, rng: Rng, omit: int) -> None:
    del omit
    for left, top, right, bottom, _ in _outlines(rng):
        pen.rectangle((left - 8, top - 12, right + 8, bottom + 12), outline=200, width=3)
        write(pen, code(rng, 2), ((left + right) // 2, top - 22), 22)


def board(draft: Draft) -> Surface:
    """A printed circuit board with tracks, pads, lettering and components."""
    design, view = draft.design, draft.view
    seed, mask = (
        int(design.integers(1 << 30)),
        float(design.choice([0.38, 0.4, 0.36, 0.62, 0.0, 0.75])),
    )
    scale, omit = 0.86, missing(draft, _PARTS)
    colour = hsv(mask, 0.85, float(design.uniform(0.06, 0.2)))
    part = mottled(blank(view, colour, rough=0.15), draft, wavelength=0.3, depth=0.03)
    copper = laid(_copper, draft, seed=seed, scale=scale)
    tracks, pads = clip01(copper * 2.3), clip01(copper * 2.0 - 1.0)
    part = replace(
        part, colour=part.colour * (1.0 + 0.9 * tracks)[..., None], height=0.004 * tracks
    )
    part = painted(part, pads, (0.75, 0.66, 0.45), metal=1.0, rough=0.2)
    part = painted(part, 0.85 * laid(_silk, draft, seed=seed, scale=scale), (0.75, 0.75, 0.72))
    bodies = laid(_components, draft, seed=seed, scale=scale, mode="RGB", omit=omit)
    there = clip01(bodies.max(axis=-1) * 12.0)
    part = painted(part, there, bodies**2.2, rough=0.25)
    part = replace(part, metal=part.metal * (1 - there) + there * (bodies.min(axis=-1) > 0.75))
    tall = laid(_heights, draft, seed=seed, scale=scale, omit=omit)
    outline = box(view.u, view.v, 0.86, 0.86, 0.03)
    return replace(part, height=part.height + 0.1 * tall, cover=cover(outline, view.pixel))


def _marking(pen: ImageDraw.ImageDraw, rng: Rng, omit: int) -> None:
    del omit
    for i in range(3):
        write(pen, code(rng, int(rng.integers(5, 9))), (256, 130 + 126 * i), 96)


def chip(draft: Draft) -> Surface:
    """An integrated circuit: moulded body with marking and rows of bent leads."""
    design, view = draft.design, draft.view
    half_u, half_v = float(design.uniform(0.5, 0.72)), float(design.uniform(0.32, 0.5))
    leads = int(design.integers(5, 11))
    pitch = 2 * half_u / (leads + 0.5)
    index = np.clip(np.floor(view.u / pitch + leads / 2), 0, leads - 1)
    off = view.u - (index + 0.5 - leads / 2) * pitch
    lead = box(off, view.v, pitch * 0.24, half_v + 0.22, 0.01)
    gone = missing(draft, 2 * leads)
    lead = np.where((index + leads * (view.v > 0)) == gone, 1.0, lead)
    body = box(view.u, view.v, half_u, half_v, 0.03)
    part = blank(view, (0.72, 0.72, 0.73), metal=1.0, rough=0.18)
    drop = -0.25 * clip01((np.abs(view.v) - half_v - 0.08) / 0.06) * 0.3
    part = replace(part, height=drop + fillet(lead, 0.03) * 0.02)
    on = cover(body, view.pixel)
    tone = float(design.uniform(0.015, 0.05))
    part = cast(
        painted(part, on, (tone, tone, tone * 1.1), metal=0.0, rough=0.45), draft, depth=0.8
    )
    shape = on * (0.12 + fillet(body, 0.05) * 0.05)
    part = replace(
        part, height=part.height * (1.0 - on) + shape, cover=np.maximum(on, cover(lead, view.pixel))
    )
    part = cast(part, draft, depth=0.8)
    dot = disc(view.u + half_u * 0.82, view.v - half_v * 0.7, 0.05)
    part = replace(part, height=part.height - 0.02 * cover(dot, view.pixel))
    art = laid(_marking, draft, seed=int(design.integers(1 << 30)), scale=half_v * 0.85)
    return painted(part, 0.7 * art, (0.5, 0.5, 0.5))


def connector(draft: Draft) -> Surface:
    """A plastic connector housing with rows of metal pins."""
    design, view = draft.design, draft.view
    columns, rows = int(design.integers(3, 9)), int(design.integers(1, 4))
    pitch = min(1.5 / columns, 0.9 / rows)
    half_u, half_v = columns * pitch / 2 + 0.08, rows * pitch / 2 + 0.08
    part = blank(view, plastic_colour(design), rough=float(design.uniform(0.15, 0.4)))
    part = cast(part, draft, wavelength=0.04, depth=0.4)
    outline = box(view.u, view.v, half_u, half_v, 0.05)
    column = np.clip(np.floor(view.u / pitch + columns / 2), 0, columns - 1)
    row = np.clip(np.floor(view.v / pitch + rows / 2), 0, rows - 1)
    off_u = view.u - (column + 0.5 - columns / 2) * pitch
    off_v = view.v - (row + 0.5 - rows / 2) * pitch
    socket = box(off_u, off_v, 0.36 * pitch, 0.36 * pitch, 0.02)
    pin = box(off_u, off_v, 0.12 * pitch, 0.12 * pitch, 0.01)
    there = (row * columns + column != missing(draft, columns * rows)) * 1.0
    sunk, up = cover(socket, view.pixel), cover(pin, view.pixel) * there
    part = replace(part, colour=part.colour * (1.0 - 0.7 * sunk)[..., None])
    part = painted(part, up, (0.8, 0.66, 0.35), metal=1.0, rough=0.1)
    shape = fillet(outline, 0.05) * 0.05 - 0.08 * sunk + 0.09 * up
    return replace(part, height=part.height + shape, cover=cover(outline, view.pixel))


def cable(draft: Draft) -> Surface:
    """The cut end of a cable: a sheath around insulated strands of copper."""
    design, view = draft.design, draft.view
    outer, count = float(design.uniform(0.72, 0.85)), int(design.integers(2, 5))
    sheath, strand = plastic_colour(design), float(design.uniform(0.05, 0.075))
    part = cast(blank(view, sheath, rough=0.4), draft, wavelength=0.04)
    inner = outer * 0.8
    fill = cover(disc(view.u, view.v, inner), view.pixel)
    part = painted(part, fill, tuple(min(1.0, 0.3 + 0.6 * c) for c in sheath))  # type: ignore[arg-type]
    lot = inner * (0.46 if count < 4 else 0.39)
    place_u, place_v, index = around(view.u, view.v, count, inner - lot)
    local = np.hypot(view.u - place_u, view.v - place_v)
    hues = design.random(4)
    for i in range(count):
        core = cover(local - lot * 0.96, view.pixel) * (index == i)
        part = painted(part, core, hsv(float(hues[i]), 0.75, 0.45), rough=0.35)
    wires = cells(draft.chance, view.u / strand, view.v / strand, jitter=0.5)
    metal = cover(local - lot * 0.62, view.pixel) * (index != missing(draft, count))
    part = painted(part, metal, (0.1, 0.06, 0.04))
    round_ = metal * clip01(1.1 - 1.6 * wires.nearest)
    shiny = np.asarray((0.85, 0.52, 0.36), np.float32) * (0.6 + 0.6 * wires.tone)[..., None]
    part = painted(part, clip01(2.5 * round_), shiny, metal=1.0, rough=0.25)
    part = replace(part, height=part.height + round_ * strand * 0.6 - 0.02 * metal)
    return replace(part, cover=cover(disc(view.u, view.v, outer), view.pixel))


def solar_cell(draft: Draft) -> Surface:
    """A polycrystalline solar cell with fingers and busbars; fills the picture."""
    design, view = draft.design, draft.view
    grain = cells(draft.chance, view.u * 7.0, view.v * 7.0)
    tone = (0.75 + 0.5 * grain.tone)[..., None]
    hue = float(design.uniform(0.58, 0.66))
    part = blank(view, hsv(hue, 0.8, float(design.uniform(0.05, 0.13))), rough=0.2)
    part = grainy(replace(part, colour=part.colour * tone), draft, depth=0.03)
    bars, pitch = int(design.integers(2, 4)), float(design.uniform(0.06, 0.09))
    finger = np.abs(np.mod(view.v / pitch, 1.0) - 0.5) * pitch - 0.004
    if draft.flaw == "cut_thread":
        row = np.rint(float(draft.fate.uniform(-8, 8)))
        start = float(draft.fate.uniform(-0.6, 0.3))
        gap = (np.floor(view.v / pitch) == row) & (view.u > start) & (view.u < start + 0.35)
        finger = np.where(gap, 1.0, finger)
    bar = np.abs(np.mod(view.u * bars / 2.0, 1.0) - 0.5) * (2.0 / bars) - 0.028
    silver = np.maximum(cover(finger, view.pixel) * 0.8, cover(bar, view.pixel))
    wear = 1.0 + 0.05 * lookup(curve(draft.chance, 128), view.v * 0.5)
    part = painted(part, silver, (0.62, 0.62, 0.64), metal=0.7, rough=0.35)
    return replace(part, colour=part.colour * wear[..., None])
