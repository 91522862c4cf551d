"""Metal that fills the picture: brushed, ground, turned, galvanised, hammered, perforated."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from res2clip.drawing.draft import Draft
from res2clip.drawing.field import clip01
from res2clip.drawing.finish import brushed, cast, mottled, turned
from res2clip.drawing.noise import cells, clouds, drift
from res2clip.drawing.shapes import chamfer, cover, slot
from res2clip.drawing.surface import Surface, blank, metal_colour, painted


def _sheet(draft: Draft, rough: float) -> Surface:
    return blank(draft.view, metal_colour(draft.design), metal=1.0, rough=rough)


def brushed_sheet(draft: Draft) -> Surface:
    """Brushed sheet metal."""
    design = draft.design
    part = _sheet(draft, float(design.uniform(0.08, 0.25)))
    return brushed(
        part,
        draft,
        angle=float(design.choice([0.0, np.pi / 2])),
        depth=float(design.uniform(0.5, 1.6)),
        length=float(design.uniform(15, 60)),
    )


def ground_sheet(draft: Draft) -> Surface:
    """Surface-ground metal: crossing arcs of a grinding wheel."""
    design, view = draft.design, draft.view
    part = _sheet(draft, 0.2)
    bend, pitch = float(design.uniform(0.6, 2.0)), float(design.uniform(0.015, 0.03))
    arcs = np.hypot(view.u + bend, view.v - 0.3) / pitch
    wave = np.sin(arcs * 2 * np.pi + 2.0 * clouds(draft.chance, view.size_px, wavelength=0.4))
    seen = min(1.0, pitch / view.pixel / 4.0)
    part = brushed(part, draft, depth=float(design.uniform(0.4, 1.2)), length=12.0)
    return replace(part, colour=part.colour * (1.0 + 0.08 * seen * wave)[..., None])


def faced_sheet(draft: Draft) -> Surface:
    """A large faced disc seen from near: turning marks around a far centre."""
    part = turned(_sheet(draft, 0.15), draft, pitch=float(draft.design.uniform(0.012, 0.04)))
    return replace(part, grain=part.grain)


def rough_sheet(draft: Draft) -> Surface:
    """Rough, shot-blasted, sand-cast or hot-rolled metal."""
    design = draft.design
    part = _sheet(draft, float(design.uniform(0.3, 0.5)))
    part = mottled(
        part,
        draft,
        wavelength=float(design.uniform(0.1, 0.4)),
        depth=float(design.uniform(0.03, 0.14)),
    )
    return cast(
        part,
        draft,
        wavelength=float(design.uniform(0.02, 0.08)),
        depth=float(design.uniform(1.5, 4.0)),
    )


def galvanised(draft: Draft) -> Surface:
    """Hot-dip galvanised steel: spangles of many tones."""
    design, view = draft.design, draft.view
    scale = float(design.uniform(3, 8))
    warp_u, warp_v = drift(draft.chance, view.size_px, wavelength=0.3, amount=0.15)
    spangle = cells(draft.chance, view.u * scale + warp_u, view.v * scale + warp_v)
    part = blank(view, (0.55, 0.57, 0.6), metal=1.0, rough=0.3)
    frond = clouds(draft.chance, view.size_px, wavelength=0.03, roughness=0.8)
    tone = 0.72 + 0.5 * spangle.tone + 0.06 * frond
    part = replace(part, colour=part.colour * tone[..., None])
    return replace(part, rough=0.2 + 0.25 * spangle.tone, streak=0.2 + 0.25 * spangle.tone)


def hammered(draft: Draft) -> Surface:
    """Hammered or dimpled metal, or hammer-finish paint."""
    design, view = draft.design, draft.view
    scale = float(design.uniform(4, 9))
    dimple = cells(
        draft.chance, view.u * scale, view.v * scale, jitter=float(design.uniform(0.4, 0.9))
    )
    part = _sheet(draft, float(design.uniform(0.12, 0.3)))
    deep = float(design.uniform(0.1, 0.35)) / scale
    return replace(part, height=(deep * np.minimum(dimple.nearest, 0.8) ** 2).astype(np.float32))


def tread_plate(draft: Draft) -> Surface:
    """Chequer plate: raised lozenges in alternating directions."""
    design, view = draft.design, draft.view
    pitch = float(design.uniform(0.3, 0.45))
    a, b = (view.u + view.v) / pitch, (view.u - view.v) / pitch
    flip = np.mod(np.floor(a) + np.floor(b), 2.0)
    off_a, off_b = (np.mod(a, 1.0) - 0.5) * pitch * 0.7, (np.mod(b, 1.0) - 0.5) * pitch * 0.7
    along, across = np.where(flip > 0.5, off_a, off_b), np.where(flip > 0.5, off_b, off_a)
    bar = slot(along, across * 2.0, 0.11 * pitch / 0.4, 0.05 * pitch / 0.4)
    if draft.flaw == "missing_feature":
        row, column = (
            int(k) for k in draft.fate.integers(view.size_px // 4, 3 * view.size_px // 4, 2)
        )
        same = (np.floor(a) == np.floor(a[row, column])) & (np.floor(b) == np.floor(b[row, column]))
        bar = np.where(same, 1.0, bar)
    part = cast(_sheet(draft, 0.25), draft, depth=1.0)
    raised = 1.0 + chamfer(-bar, 0.04) * (bar > 0) - (bar > 0.04)
    return replace(part, height=part.height + (0.03 * clip01(raised)).astype(np.float32))


def perforated(draft: Draft) -> Surface:
    """Perforated sheet: staggered round holes over darkness."""
    design, view = draft.design, draft.view
    pitch = float(design.uniform(0.16, 0.3))
    row = np.floor(view.v / pitch)
    off_v = np.mod(view.v / pitch, 1.0) - 0.5
    shift = 0.5 * np.mod(row, 2.0)
    column = np.floor(view.u / pitch + shift)
    off_u = np.mod(view.u / pitch + shift, 1.0) - 0.5
    hole = (np.hypot(off_u, off_v) - float(design.uniform(0.22, 0.38))) * pitch
    if draft.flaw == "missing_feature":
        y, x = (int(k) for k in draft.fate.integers(view.size_px // 4, 3 * view.size_px // 4, 2))
        hole = np.where((row == row[y, x]) & (column == column[y, x]), 1.0, hole)
    part = brushed(_sheet(draft, 0.2), draft, depth=float(design.uniform(0.3, 1.0)))
    dark = float(design.uniform(0.01, 0.06))
    part = painted(part, cover(hole, view.pixel), (dark, dark, dark), metal=0.0, rough=0.8)
    return replace(part, height=part.height - 0.02 * clip01(1.0 - hole / 0.025))
