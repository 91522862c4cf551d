"""Other materials that fill the picture: wood, leather, paper, cork, foam, rubber, plastics."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from PIL import ImageDraw

from res2clip.drawing.artwork import code, laid, write
from res2clip.drawing.draft import Draft
from res2clip.drawing.field import Rng, clip01, mix, ramp
from res2clip.drawing.finish import cast, grainy, mottled
from res2clip.drawing.noise import cells, clouds, drift
from res2clip.drawing.surface import Surface, blank, hsv, painted, plastic_colour, tinted


def wood(draft: Draft) -> Surface:
    """Planed wood: growth rings, rays and pores along the board."""
    design, view = draft.design, draft.view
    light = hsv(
        float(design.uniform(0.05, 0.11)),
        float(design.uniform(0.35, 0.75)),
        float(design.uniform(0.2, 0.65)),
    )
    size_px, angle = view.size_px, view.angle
    fold = clouds(draft.chance, size_px, wavelength=0.7, stretch=5.0, angle=angle, roughness=1.4)
    rings = np.mod((view.v * float(design.uniform(3, 7)) + 0.6 * fold), 1.0)
    late = ramp(rings, 0.3, 0.9) * (1.0 - ramp(rings, 0.93, 1.0))
    pores = clouds(
        draft.chance, size_px, wavelength=0.015, stretch=18.0, angle=angle, roughness=0.8
    )
    part = blank(view, light, rough=float(design.uniform(0.25, 0.6)))
    part = tinted(part, 1.0 - float(design.uniform(0.2, 0.5)) * late)
    pore = ramp(pores, 0.9, 2.0)
    part = tinted(part, 1.0 - 0.35 * pore + 0.04 * pores)
    return replace(part, height=(-0.003 * pore - 0.002 * late).astype(np.float32))


def leather(draft: Draft) -> Surface:
    """Grained leather: pebbles parted by creases."""
    design, view = draft.design, draft.view
    scale = float(design.uniform(9, 20))
    warp_u, warp_v = drift(draft.chance, view.size_px, wavelength=0.15, amount=0.35)
    pebble = cells(draft.chance, view.u * scale + warp_u, view.v * scale + warp_v)
    crease = 1.0 - ramp(pebble.second - pebble.nearest, 0.0, 0.28)
    colour = hsv(
        float(design.choice([0.05, 0.08, 0.0, 0.6])),
        float(design.uniform(0.2, 0.8)),
        float(design.uniform(0.04, 0.4)),
    )
    part = mottled(blank(view, colour, rough=0.28), draft, wavelength=0.4, depth=0.06)
    part = tinted(part, 1.0 - 0.35 * crease)
    relief = 0.22 / scale * ((1.0 - crease) + 0.3 * (1.0 - pebble.nearest))
    return cast(replace(part, height=relief.astype(np.float32)), draft, wavelength=0.02, depth=0.5)


def paper(draft: Draft) -> Surface:
    """Paper, cardboard or tissue: cloudy and fibrous."""
    design, view = draft.design, draft.view
    colour = hsv(
        float(design.uniform(0.06, 0.14)),
        float(design.choice([0.02, 0.08, 0.4])),
        float(design.uniform(0.3, 0.8)),
    )
    part = mottled(blank(view, colour, rough=0.9), draft, wavelength=0.15, depth=0.025)
    fibres = np.zeros_like(view.u)
    for angle in (0.4, 1.3, 2.6):
        lines = clouds(draft.chance, view.size_px, wavelength=0.02, stretch=9.0, angle=angle)
        fibres = np.maximum(fibres, lines)
    part = tinted(part, 1.0 + float(design.uniform(0.01, 0.05)) * (fibres - 1.0))
    flecks = clouds(draft.chance, view.size_px, wavelength=0.02, roughness=0.8)
    part = painted(
        part, ramp(flecks, 2.9, 3.3) * float(design.choice([0.0, 0.35])), (0.2, 0.16, 0.1)
    )
    return replace(part, height=0.0009 * fibres)


def cork(draft: Draft) -> Surface:
    """Cork, chipboard or particle board."""
    design, view = draft.design, draft.view
    scale = float(design.uniform(9, 18))
    warp_u, warp_v = drift(draft.chance, view.size_px, wavelength=0.08, amount=0.4)
    tall = float(design.uniform(0.6, 1.0))
    flake = cells(draft.chance, view.u * scale + warp_u, view.v * scale * tall + warp_v)
    part = blank(
        view,
        hsv(float(design.uniform(0.07, 0.1)), 0.6, float(design.uniform(0.25, 0.5))),
        rough=0.7,
    )
    gap = 1.0 - ramp(flake.second - flake.nearest, 0.0, 0.15)
    part = tinted(part, (0.7 + 0.5 * flake.tone) * (1.0 - 0.4 * gap))
    return cast(replace(part, height=-0.004 * gap), draft, wavelength=0.03, depth=1.5)


def foam(draft: Draft) -> Surface:
    """Open foam or sponge: round pores of many sizes."""
    design, view = draft.design, draft.view
    scale = float(design.uniform(8, 16))
    pores = cells(draft.chance, view.u * scale, view.v * scale)
    size = 0.2 + 0.35 * pores.tone
    pore = 1.0 - ramp(pores.nearest, 0.8 * size, 1.1 * size)
    part = mottled(
        blank(view, plastic_colour(design), rough=0.9), draft, wavelength=0.1, depth=0.04
    )
    part = tinted(part, 1.0 - 0.65 * pore)
    return cast(replace(part, height=-0.25 / scale * pore), draft, wavelength=0.03, depth=1.5)


def rubber(draft: Draft) -> Surface:
    """Moulded rubber or plastic with ribs, studs or a fine grain."""
    design, view = draft.design, draft.view
    pitch, kind = float(design.uniform(0.12, 0.25)), int(design.integers(4))
    wave_u, wave_v = np.cos(view.u * (2 * np.pi / pitch)), np.cos(view.v * (2 * np.pi / pitch))
    relief = [
        ramp(wave_u, -0.3, 0.3),
        ramp(wave_u + wave_v, 0.4, 0.9),
        ramp(wave_u * wave_v, 0.1, 0.5),
    ]
    shape = relief[kind] if kind < 3 else np.zeros_like(view.u)
    colour = hsv(
        float(design.random()), float(design.uniform(0.0, 0.5)), float(design.uniform(0.02, 0.3))
    )
    part = cast(
        blank(view, colour, rough=0.35),
        draft,
        wavelength=float(design.uniform(0.03, 0.08)),
        depth=2.0,
    )
    return replace(part, height=part.height + (0.1 * pitch * shape).astype(np.float32))


def _ink(rng: Rng, low: int, high: int) -> tuple[int, int, int]:
    red, green, blue = (int(c) for c in rng.integers(low, high, 3))
    return red, green, blue


def _motif(pen: ImageDraw.ImageDraw, rng: Rng, omit: int) -> None:
    """A repeat of shapes in a few colours on a coloured ground."""
    del omit
    palette = [_ink(rng, 20, 236) for _ in range(4)]
    pen.rectangle((0, 0, 512, 512), fill=palette[0])
    count, kind = int(rng.integers(2, 5)), int(rng.integers(5))
    step = 512 // count
    word = code(rng, 3)
    for row in range(count + 1):
        for column in range(count + 1):
            x, y = column * step + (row % 2) * step // 2, row * step
            tone, r = palette[1 + (row + column) % 3], int(step * 0.3)
            if kind == 0:
                pen.ellipse((x - r, y - r, x + r, y + r), fill=tone)
            elif kind == 1:
                pen.regular_polygon((x, y, r), 3 + count, fill=tone)
            elif kind == 2:
                pen.rectangle((x - r, 0, x, 512), fill=tone)
                pen.rectangle((0, y - r // 2, 512, y), outline=palette[3], width=4)
            elif kind == 3:
                pen.line((x - r, y - r, x + r, y + r), fill=tone, width=r // 3 + 4)
                pen.line((x - r, y + r, x + r, y - r), fill=tone, width=r // 3 + 4)
            else:
                write(pen, word, (x, y), max(14, int(step * 0.32)), fill=tone)


def printed_pattern(draft: Draft) -> Surface:
    """A printed repeat on cloth, paper or foil."""
    design, view = draft.design, draft.view
    seed = int(design.integers(1 << 30))
    art = laid(
        _motif, draft, seed=seed, scale=float(design.uniform(0.5, 1.1)), mode="RGB", repeat=True
    )
    part = replace(
        blank(view, (0.5, 0.5, 0.5), rough=float(design.uniform(0.2, 0.8))),
        colour=(art**2.0).astype(np.float32),
    )
    part = mottled(part, draft, wavelength=0.3, depth=0.02)
    return cast(grainy(part, draft, depth=0.03), draft, depth=float(design.uniform(0.0, 1.0)))


def _label(pen: ImageDraw.ImageDraw, rng: Rng, omit: int) -> None:
    """A product label: a title, a bar code, lines of small print, a coloured band."""
    del omit
    dark = _ink(rng, 10, 90)
    pen.rectangle((0, 0, 512, 512), fill=(236, 234, 228))
    band = _ink(rng, 40, 220)
    pen.rectangle((0, 30, 512, 150), fill=band)
    write(pen, code(rng, 7), (256, 90), 84)
    for i in range(5):
        text = " ".join(code(rng, int(rng.integers(2, 8))) for _ in range(4))
        write(pen, text, (256, 190 + 30 * i), 22, fill=dark)
    x = 60
    while x < 440:
        wide = int(rng.integers(2, 9))
        pen.rectangle((x, 350, x + wide, 460), fill=(15, 15, 15))
        x += wide + int(rng.integers(3, 9))


def label(draft: Draft) -> Surface:
    """A printed label with a title, small print and a bar code."""
    design, view = draft.design, draft.view
    art = laid(_label, draft, seed=int(design.integers(1 << 30)), scale=1.08, mode="RGB")
    paint = mix(art, 0.9, 1.0 * (art.sum(axis=-1, keepdims=True) < 1e-3))
    part = replace(blank(view, (0.8, 0.8, 0.8), rough=0.3), colour=(paint**2.2).astype(np.float32))
    return cast(mottled(part, draft, wavelength=0.5, depth=0.015), draft, depth=0.4)


def grained_plastic(draft: Draft) -> Surface:
    """Moulded plastic with an eroded or leather-like grain."""
    design, view = draft.design, draft.view
    part = blank(view, plastic_colour(design), rough=float(design.uniform(0.2, 0.5)))
    coarse = clouds(
        draft.chance, view.size_px, wavelength=float(design.uniform(0.03, 0.08)), roughness=1.1
    )
    relief = clip01(0.5 + 0.6 * coarse)
    return replace(tinted(part, 0.94 + 0.06 * relief), height=0.007 * relief)
