"""Textiles that fill the picture: plain and twill weave, knit, carpet, corduroy, felt."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from res2clip.drawing.draft import Draft
from res2clip.drawing.field import Field, clip01, mix, ramp
from res2clip.drawing.finish import grainy, mottled
from res2clip.drawing.noise import cells, clouds, curve
from res2clip.drawing.surface import Colour, Surface, blank, hsv, painted, plastic_colour


def dye(draft: Draft) -> Colour:
    """A colour as cloth has it."""
    design = draft.design
    return hsv(
        float(design.random()),
        float(design.choice([0.05, 0.2, 0.5, 0.8])),
        float(design.uniform(0.08, 0.65)),
    )


def _wavered(draft: Draft, amount: float) -> tuple[Field, Field]:
    """Product coordinates that wander a little, as threads do."""
    view = draft.view
    drift = [clouds(draft.chance, view.size_px, wavelength=0.5, roughness=1.6) for _ in range(2)]
    return view.u + amount * drift[0], view.v + amount * drift[1]


def _cut(draft: Draft, index: Field, along: Field) -> Field:
    """1 where a thread is missing: a stretch of one or two neighbours."""
    if draft.flaw != "cut_thread":
        return np.zeros_like(along)
    fate = draft.fate
    row, column = (int(k) for k in fate.integers(len(index) // 5, 4 * len(index) // 5, 2))
    number, middle = index[row, column], along[row, column]
    reach, wide = float(fate.uniform(0.1, 0.45)), int(fate.integers(1, 3))
    near = 1.0 - ramp(np.abs(along - middle), 0.9 * reach, reach)
    gone: Field = near * ((index >= number) & (index < number + wide))
    return gone


def weave(draft: Draft) -> Surface:
    """A plain weave of two colours of thread."""
    return _woven(draft, float(draft.design.uniform(0.07, 0.16)), 1)


def twill(draft: Draft) -> Surface:
    """Denim and other twills: diagonal ribs."""
    return _woven(draft, float(draft.design.uniform(0.05, 0.09)), 3)


def _woven(draft: Draft, pitch: float, floats: int) -> Surface:
    """Threads over and under; each warp thread floats over `floats` wefts, then goes under one."""
    design, view = draft.design, draft.view
    first, second = dye(draft), dye(draft)
    if design.random() < 0.4:
        second = first
    u, v = _wavered(draft, 0.12 * pitch)
    i, j = np.floor(u / pitch), np.floor(v / pitch)
    across_u, across_v = np.mod(u / pitch, 1.0) - 0.5, np.mod(v / pitch, 1.0) - 0.5
    period = floats + 1
    warp_up = (
        np.cos((v / pitch - 0.5 - i) * (2 * np.pi / period))
        if floats == 1
        else (0.35 + np.cos((v / pitch - 0.5 - i) * (2 * np.pi / period)))
    )
    warp = np.sqrt(np.maximum(1 - 4.2 * across_u**2, 0)) * 0.5 + 0.35 * warp_up
    weft = np.sqrt(np.maximum(1 - 4.2 * across_v**2, 0)) * 0.5 - 0.35 * warp_up
    warp = warp - 1.5 * _cut(draft, i, v)
    top = ramp(warp - weft, -0.05, 0.05)
    tones = [curve(draft.chance, 128, smooth=0.0) for _ in range(2)]
    tone_u, tone_v = (
        tones[0][np.mod(i, 128).astype(np.intp)],
        tones[1][np.mod(j, 128).astype(np.intp)],
    )
    fuzz_u = clouds(
        draft.chance, view.size_px, wavelength=0.02, stretch=6.0, angle=np.pi / 2, roughness=0.8
    )
    fuzz_v = clouds(draft.chance, view.size_px, wavelength=0.02, stretch=6.0, roughness=0.8)
    height = np.maximum(warp, weft)
    part = painted(blank(view, second, rough=0.7), top, first)
    tone = 1.0 + 0.06 * mix(tone_v, tone_u, top) + 0.1 * mix(fuzz_v, fuzz_u, top)
    dark = 0.35 + 0.65 * ramp(height, -0.1, 0.55)
    part = replace(part, colour=part.colour * (tone * dark)[..., None])
    return replace(part, height=(0.3 * pitch * height).astype(np.float32))


def knit(draft: Draft) -> Surface:
    """A knitted fabric: columns of V-shaped stitches."""
    design, view = draft.design, draft.view
    pitch = float(design.uniform(0.09, 0.18))
    u, v = _wavered(draft, 0.1 * pitch)
    i = np.floor(u / pitch)
    side = np.mod(u / pitch, 1.0) - 0.5
    phase = v / pitch * 1.25 + 1.1 * np.abs(side)
    stitch = np.cos(phase * 2 * np.pi)
    loop = np.sqrt(np.maximum(1 - (np.abs(side) * 4 - 1) ** 2, 0))
    height = (0.55 * loop + 0.3 * stitch * loop) * (1.0 - _cut(draft, i, v))
    yarn = clouds(
        draft.chance, view.size_px, wavelength=0.03, stretch=3.0, angle=1.2, roughness=0.8
    )
    part = mottled(blank(view, dye(draft), rough=0.8), draft, wavelength=0.3, depth=0.04)
    dark = (0.3 + 0.9 * clip01(height)) * (1.0 + 0.1 * yarn)
    part = replace(part, colour=part.colour * dark[..., None])
    return replace(part, height=(0.35 * pitch * height).astype(np.float32))


def carpet(draft: Draft) -> Surface:
    """A loop pile: rows of tufts in one colour or a mix."""
    design, view = draft.design, draft.view
    pitch = float(design.uniform(0.05, 0.1))
    tuft = cells(
        draft.chance, view.u / pitch, view.v / pitch, jitter=float(design.uniform(0.3, 0.8))
    )
    part = blank(view, dye(draft), rough=0.9)
    other = dye(draft)
    if design.random() < 0.5:
        part = painted(part, 1.0 * (tuft.tone > float(design.uniform(0.5, 0.9))), other)
    fibres = clouds(draft.chance, view.size_px, wavelength=0.02, roughness=0.6)
    round_ = clip01(1.0 - tuft.nearest**2 * 1.3)
    missing_ = _cut(draft, np.floor(view.u / pitch), view.v)
    tone = (0.35 + 0.75 * round_) * (0.9 + 0.2 * tuft.tone + 0.12 * fibres) * (1.0 - 0.6 * missing_)
    part = replace(part, colour=part.colour * np.maximum(tone, 0.02)[..., None])
    return replace(part, height=(0.35 * pitch * round_ * (1.0 - missing_)).astype(np.float32))


def corduroy(draft: Draft) -> Surface:
    """Parallel velvet ribs."""
    design, view = draft.design, draft.view
    pitch = float(design.uniform(0.07, 0.16))
    u, _ = _wavered(draft, 0.08 * pitch)
    rib = np.abs(np.sin(u * (np.pi / pitch))) ** 0.7
    rib = rib * (1.0 - _cut(draft, np.floor(u / pitch), view.v))
    pile = clouds(
        draft.chance, view.size_px, wavelength=0.03, stretch=2.5, angle=np.pi / 2, roughness=0.7
    )
    part = mottled(blank(view, dye(draft), rough=0.9), draft, wavelength=0.4, depth=0.05)
    tone = (0.4 + 0.7 * rib) * (1.0 + 0.12 * pile)
    part = replace(part, colour=part.colour * np.maximum(tone, 0.02)[..., None])
    return replace(part, height=(0.3 * pitch * rib).astype(np.float32))


def felt(draft: Draft) -> Surface:
    """Felt or fleece: matted fibres in all directions."""
    design, view = draft.design, draft.view
    part = mottled(blank(view, dye(draft), rough=0.9), draft, wavelength=0.25, depth=0.05)
    length = float(design.uniform(6, 14))
    height = np.zeros_like(view.u)
    for angle in (0.3, 1.4, 2.4):
        lines = clouds(draft.chance, view.size_px, wavelength=0.018, stretch=length, angle=angle)
        height = np.maximum(height, lines)
    part = replace(part, colour=part.colour * (0.75 + 0.16 * height)[..., None])
    return grainy(replace(part, height=0.0025 * height), draft, depth=0.04)


def ribbon(draft: Draft) -> Surface:
    """A striped woven ribbon or webbing."""
    design, view = draft.design, draft.view
    part = _woven(draft, float(design.uniform(0.06, 0.1)), 1)
    edges = np.sort(design.uniform(-0.8, 0.8, int(design.integers(2, 6))))
    for edge in edges:
        stripe = 1.0 * (
            np.abs(np.mod(view.v + 1.0, 2.0) - 1.0 - edge) < float(design.uniform(0.04, 0.16))
        )
        shade = part.colour.mean(axis=-1, keepdims=True) * 2.0
        part = painted(part, 0.8 * stripe, shade * np.asarray(plastic_colour(design), np.float32))
    return part
