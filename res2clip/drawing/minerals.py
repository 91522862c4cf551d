"""Stony surfaces that fill the picture: concrete, granite, marble, tiles, asphalt, glass."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from res2clip.drawing.draft import Draft
from res2clip.drawing.field import Field, bump, clip01, mix, ramp
from res2clip.drawing.finish import cast, grainy, mottled
from res2clip.drawing.noise import cells, clouds, drift
from res2clip.drawing.shapes import box, cover, fillet
from res2clip.drawing.surface import Colour, Surface, blank, hsv, painted, tinted


def _stone(draft: Draft, low: float = 0.15, high: float = 0.55) -> Colour:
    design = draft.design
    return hsv(
        float(design.uniform(0.02, 0.62)),
        float(design.uniform(0.0, 0.25)),
        float(design.uniform(low, high)),
    )


def concrete(draft: Draft) -> Surface:
    """Concrete or plaster with pores."""
    design, view = draft.design, draft.view
    part = mottled(blank(view, _stone(draft), rough=0.8), draft, wavelength=0.6, depth=0.08)
    part = mottled(part, draft, wavelength=0.05, depth=float(design.uniform(0.02, 0.08)))
    pores = cells(draft.chance, view.u * 7.0, view.v * 7.0)
    pore = (1.0 - ramp(pores.nearest, 0.02 + 0.12 * pores.tone, 0.06 + 0.16 * pores.tone)) * (
        pores.tone > 0.7
    )
    part = painted(part, 0.6 * pore, (0.03, 0.03, 0.03))
    part = cast(part, draft, wavelength=0.03, depth=float(design.uniform(0.5, 3.0)))
    return replace(part, height=part.height - 0.01 * pore)


def granite(draft: Draft) -> Surface:
    """Polished granite: interlocked grains of three minerals."""
    design, view = draft.design, draft.view
    scale = float(design.uniform(12, 26))
    warp_u, warp_v = drift(draft.chance, view.size_px, wavelength=0.06, amount=0.3)
    grain = cells(draft.chance, view.u * scale + warp_u, view.v * scale + warp_v)
    shares = np.sort(design.random(2))
    part = blank(view, _stone(draft), rough=float(design.uniform(0.08, 0.4)))
    part = painted(part, 1.0 * (grain.tone < shares[0]), _stone(draft, 0.02, 0.15))
    part = painted(part, 1.0 * (grain.tone > shares[1]), _stone(draft, 0.4, 0.75))
    return grainy(tinted(part, 0.85 + 0.3 * np.mod(grain.tone * 7.0, 1.0)), draft, depth=0.04)


def terrazzo(draft: Draft) -> Surface:
    """Chips of stone in a matrix."""
    view = draft.view
    part = mottled(
        blank(view, _stone(draft, 0.3, 0.75), rough=0.25), draft, wavelength=0.1, depth=0.02
    )
    for scale in (4.5, 10.0):
        stone = cells(draft.chance, view.u * scale, view.v * scale)
        inside = ramp(stone.second - stone.nearest, 0.12, 0.2) * (stone.tone > 0.4)
        tone = _stone(draft, 0.05, 0.5)
        part = painted(part, inside * (1.0 * (np.mod(stone.tone * 9.0, 1.0) > 0.4)), tone)
        part = painted(
            part, inside * (1.0 * (np.mod(stone.tone * 9.0, 1.0) < 0.2)), _stone(draft, 0.4, 0.8)
        )
    return grainy(part, draft, depth=0.02)


def marble(draft: Draft) -> Surface:
    """Veined marble."""
    design, view = draft.design, draft.view
    fold = clouds(draft.chance, view.size_px, wavelength=0.8, roughness=1.1)
    lean = float(design.uniform(0, np.pi))
    axis = view.u * np.float32(np.cos(lean)) + view.v * np.float32(np.sin(lean))
    vein = np.abs(np.sin(axis * float(design.uniform(2, 4)) + 1.6 * fold))
    part = blank(view, _stone(draft, 0.45, 0.8), rough=0.12)
    part = painted(part, 0.7 * (1.0 - vein) ** 6, _stone(draft, 0.08, 0.3))
    return mottled(part, draft, wavelength=0.5, depth=0.05)


def asphalt(draft: Draft) -> Surface:
    """Asphalt or a grindstone: coarse grit in a binder."""
    design, view = draft.design, draft.view
    scale = float(design.uniform(14, 24))
    grit = cells(draft.chance, view.u * scale, view.v * scale)
    round_ = clip01(1.0 - grit.nearest * 1.3)
    part = blank(view, _stone(draft, 0.04, 0.25), rough=0.7)
    part = tinted(part, (0.4 + 0.8 * round_) * (0.7 + 0.7 * grit.tone))
    return replace(part, height=(0.35 / scale * round_).astype(np.float32))


def _tiled(draft: Draft, half_u: float, half_v: float, stagger: float) -> tuple[Field, Field]:
    """Distance to the outline of the nearest tile, and a number that tells tiles apart."""
    view = draft.view
    row = np.floor(view.v / (2 * half_v))
    off_v = view.v - (row + 0.5) * (2 * half_v)
    slid = view.u + stagger * np.mod(row, 2.0) * half_u
    column = np.floor(slid / (2 * half_u))
    off_u = slid - (column + 0.5) * (2 * half_u)
    return box(
        off_u, off_v, half_u * 0.94, half_v - half_u * 0.06, 0.02
    ), row * 31.0 + column * 17.0


def tiles(draft: Draft) -> Surface:
    """Glazed wall tiles or a mosaic with joints."""
    design = draft.design
    half = float(design.uniform(0.16, 0.45))
    outline, name = _tiled(draft, half, half, 0.0)
    return _glazed(draft, outline, name, rough=float(design.uniform(0.06, 0.2)))


def bricks(draft: Draft) -> Surface:
    """Masonry or paving in running bond."""
    design = draft.design
    half = float(design.uniform(0.24, 0.4))
    outline, name = _tiled(draft, half, half * float(design.uniform(0.4, 0.6)), 1.0)
    part = _glazed(draft, outline, name, rough=0.7)
    return cast(mottled(part, draft, wavelength=0.08, depth=0.1), draft, wavelength=0.04, depth=2.5)


def _glazed(draft: Draft, outline: Field, name: Field, *, rough: float) -> Surface:
    design, view = draft.design, draft.view
    glaze = hsv(
        float(design.random()), float(design.uniform(0.0, 0.7)), float(design.uniform(0.15, 0.7))
    )
    differ = float(design.choice([0.0, 0.1, 0.35]))
    tone = np.mod(np.sin(name * 12.9898) * 43758.547, 1.0).astype(np.float32)
    part = mottled(blank(view, glaze, rough=rough), draft, wavelength=0.3, depth=0.03)
    part = tinted(part, 1.0 + differ * (tone - 0.5))
    joint = cover(-outline, view.pixel)
    part = painted(part, joint, _stone(draft, 0.2, 0.6), rough=0.8)
    part = replace(part, height=0.025 * fillet(outline, 0.04) * (1 - joint) - 0.025 * joint)
    return grainy(part, draft, depth=0.015)


def glass(draft: Draft) -> Surface:
    """Patterned or plain coloured glass over a uniform ground."""
    design, view = draft.design, draft.view
    pitch, kind = float(design.uniform(0.12, 0.3)), int(design.integers(3))
    part = blank(
        view, hsv(float(design.uniform(0.3, 0.6)), float(design.uniform(0.0, 0.4)), 0.4), rough=0.05
    )
    if kind == 0:
        relief = np.sin(view.u * (2 * np.pi / pitch)) * np.sin(view.v * (2 * np.pi / pitch))
    elif kind == 1:
        relief = np.sin(view.u * (2 * np.pi / pitch))
    else:
        relief = clouds(draft.chance, view.size_px, wavelength=0.3, roughness=1.5)
    part = replace(part, height=(0.02 * pitch * relief).astype(np.float32))
    return tinted(part, mix(np.ones_like(relief), 0.8, bump(relief**2, 0.3)))
