"""Regular open structures that fill the picture: wire mesh, honeycomb, grating, bristles."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from res2clip.drawing.draft import Draft
from res2clip.drawing.field import Field, clip01, ramp
from res2clip.drawing.finish import cast
from res2clip.drawing.noise import cells, curve
from res2clip.drawing.shapes import cover
from res2clip.drawing.surface import Surface, blank, hsv, metal_colour, painted, plastic_colour


def _behind(draft: Draft) -> Surface:
    tone = float(draft.design.choice([0.01, 0.03, 0.3, 0.6]))
    return blank(draft.view, hsv(float(draft.design.random()), 0.1, tone), rough=0.8)


def _broken(draft: Draft, index: Field, along: Field) -> npt.NDArray[np.bool_]:
    """True where the wire with some number is cut out."""
    if draft.flaw != "cut_thread":
        return np.zeros(index.shape, np.bool_)
    row, column = (int(k) for k in draft.fate.integers(len(index) // 4, 3 * len(index) // 4, 2))
    reach = float(draft.fate.uniform(0.06, 0.3))
    near = np.abs(along - along[row, column]) < reach
    return np.asarray(near & (index == index[row, column]), np.bool_)


def mesh(draft: Draft) -> Surface:
    """A woven wire mesh over a dark or light ground."""
    design, view = draft.design, draft.view
    pitch = float(design.uniform(0.12, 0.26))
    wire = pitch * float(design.uniform(0.12, 0.22))
    sway = 0.04 * pitch
    tables = [curve(draft.chance, 64, smooth=0.0) for _ in range(2)]
    i, j = np.rint(view.u / pitch), np.rint(view.v / pitch)
    off_u = view.u - i * pitch + sway * tables[0][np.mod(i, 64).astype(np.intp)]
    off_v = view.v - j * pitch + sway * tables[1][np.mod(j, 64).astype(np.intp)]
    over = np.cos(np.pi * (view.v / pitch + i)), np.cos(np.pi * (view.u / pitch + j + 1))
    ground = _behind(draft)
    colour = metal_colour(design)
    if design.random() < 0.4:
        colour = plastic_colour(design)
    part = painted(ground, np.zeros_like(view.u), colour)
    height = np.full_like(view.u, -3.0 * wire)
    for off, up, index, along in ((off_u, over[0], i, view.v), (off_v, over[1], j, view.u)):
        gap = np.where(_broken(draft, index, along), 1.0, np.abs(off) - wire)
        rise = np.sqrt(np.maximum(wire**2 - off**2, 0.0)) + 0.6 * wire * up
        seen = cover(gap, view.pixel)
        part = painted(part, seen, colour, metal=0.9, rough=0.2)
        height = np.maximum(height, np.where(seen > 0.3, rise, -3.0 * wire))
    return replace(part, height=height.astype(np.float32))


def grating(draft: Draft) -> Surface:
    """A moulded plastic grid with square openings."""
    design, view = draft.design, draft.view
    pitch = float(design.uniform(0.16, 0.3))
    bar = pitch * float(design.uniform(0.12, 0.22))
    i, j = np.rint(view.u / pitch), np.rint(view.v / pitch)
    off_u = np.where(_broken(draft, i, view.v), 9.0, np.abs(view.u - i * pitch))
    gap = np.minimum(off_u, np.abs(view.v - j * pitch)) - bar
    part = _behind(draft)
    seen = cover(gap, view.pixel)
    part = painted(part, seen, plastic_colour(design), rough=0.25)
    part = cast(part, draft, depth=0.4)
    return replace(part, height=part.height + 0.05 * clip01(-gap / 0.02))


def honeycomb(draft: Draft) -> Surface:
    """Hexagonal cells with thin walls."""
    design, view = draft.design, draft.view
    pitch, wall = float(design.uniform(0.18, 0.3)), float(design.uniform(0.08, 0.18))
    row_height = pitch * 0.866
    best = np.full_like(view.u, 9.0)
    for shift in (0.0, 1.0):
        row = np.rint((view.v / row_height - shift) / 2.0) * 2.0 + shift
        off_v = view.v - row * row_height
        column = np.rint(view.u / pitch - 0.5 * shift)
        off_u = view.u - (column + 0.5 * shift) * pitch
        far = np.maximum(np.abs(off_u), np.abs(off_u) * 0.5 + np.abs(off_v) * 0.866)
        best = np.minimum(best, far)
    gap = (0.5 - wall / 2.0) * pitch - best
    if draft.flaw == "cut_thread":
        y, x = (int(k) for k in draft.fate.integers(view.size_px // 4, 3 * view.size_px // 4, 2))
        near = np.hypot(view.u - view.u[y, x], view.v - view.v[y, x])
        gap = np.maximum(gap, 0.45 * pitch - near)
    part = _behind(draft)
    seen = cover(gap, view.pixel)
    colour = metal_colour(design) if design.random() < 0.5 else plastic_colour(design)
    part = painted(part, seen, colour, metal=0.7, rough=0.3)
    return replace(part, height=0.06 * ramp(-gap, -0.02, 0.02))


def bristles(draft: Draft) -> Surface:
    """A brush from the front: rows of coloured tufts."""
    design, view = draft.design, draft.view
    pitch = float(design.uniform(0.26, 0.4))
    row = np.floor(view.v / pitch)
    column = np.floor(view.u / pitch + 0.5 * np.mod(row, 2.0))
    off_u = np.mod(view.u / pitch + 0.5 * np.mod(row, 2.0), 1.0) - 0.5
    off_v = np.mod(view.v / pitch, 1.0) - 0.5
    hairs = cells(draft.chance, view.u * 34.0, view.v * 34.0)
    tuft = 1.0 - ramp(np.hypot(off_u, off_v) + 0.08 * (hairs.tone - 0.5), 0.36, 0.46)
    tones = [plastic_colour(design) for _ in range(3)]
    if draft.flaw == "missing_feature":
        y, x = (int(k) for k in draft.fate.integers(view.size_px // 4, 3 * view.size_px // 4, 2))
        tuft = tuft * ~((row == row[y, x]) & (column == column[y, x]))
    part = blank(view, tones[0], rough=0.4)
    part = replace(part, colour=part.colour * 0.4)
    pick = np.mod(row + column, 2.0)
    part = painted(part, tuft * (pick < 0.5), tones[1], rough=0.5)
    part = painted(part, tuft * (pick > 0.5), tones[2], rough=0.5)
    tip = clip01(1.0 - hairs.nearest * 1.2)
    part = replace(part, colour=part.colour * (1.0 - tuft + tuft * (0.45 + 0.75 * tip))[..., None])
    return replace(part, height=(tuft * (0.04 + 0.012 * tip)).astype(np.float32))
