"""Round metal parts from a lathe: flange, washer, bearing, turned cover."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from res2clip.drawing.draft import Draft, missing
from res2clip.drawing.field import Field, clip01, ramp
from res2clip.drawing.finish import turned
from res2clip.drawing.noise import clouds
from res2clip.drawing.shapes import around, chamfer, cover, disc, fillet
from res2clip.drawing.surface import Surface, blank, metal_colour, painted


def bored(
    surface: Surface,
    draft: Draft,
    centre: tuple[Field | float, Field | float],
    radius: Field | float,
    *,
    depth: float = 0.14,
    countersink: float = 0.2,
) -> Surface:
    """The surface with a through hole: chamfer, the visible part of its wall, the ground below.

    Args:
        surface: the part.
        draft: the picture.
        centre: the hole's place in product coordinates; fields for several holes at once.
        radius: of the hole; 0 or less where there is none.
        depth: of the hole over the camera's distance. The far end of a hole looks smaller and
            nearer to the picture's centre, which is what shows its wall.
        countersink: width of the chamfer over the radius.
    """
    u, v, pixel = draft.view.u, draft.view.v, draft.view.pixel
    local_u, local_v = u - centre[0], v - centre[1]
    gap = np.hypot(local_u, local_v)
    near = gap - radius
    far = np.hypot(u - centre[0] * (1 - depth), v - centre[1] * (1 - depth)) - radius * (1 - depth)
    inside = cover(near, pixel)
    width = float(np.max(radius)) * countersink
    sunk = clip01(-near / (np.maximum(far, 0.0) + np.maximum(-near, 0.0) + 1e-4))
    wall = painted(surface, inside, _wall(surface, draft, local_u, local_v, sunk), rough=0.5)
    return replace(
        wall,
        height=wall.height + chamfer(-near, width) * (0.36 * width) * (near < width),
        cover=np.minimum(wall.cover, 1.0 - cover(far, pixel) * inside),
    )


def _wall(surface: Surface, draft: Draft, local_u: Field, local_v: Field, sunk: Field) -> Field:
    turn = np.arctan2(local_v, local_u) + draft.view.angle
    light = 0.6 + 0.3 * np.sin(turn + 0.6) + 0.15 * np.cos(2.0 * turn)
    return surface.colour * (light * (0.12 + 0.75 * (1.0 - sunk) ** 1.6))[..., None]


def flange(draft: Draft) -> Surface:
    """A turned steel flange: raised face, gasket groove, hub, bore and a circle of bolt holes."""
    design, view = draft.design, draft.view
    outer, bore = float(design.uniform(0.74, 0.8)), float(design.uniform(0.19, 0.23))
    hub, face = bore + float(design.uniform(0.09, 0.12)), float(design.uniform(0.47, 0.5))
    bolts, bolt = int(design.choice([6, 6, 8, 5])), float(design.uniform(0.06, 0.07))
    circle = (face + outer) / 2.0 + 0.005
    grooves = face - 0.085
    radius = np.hypot(view.u, view.v)
    part = blank(view, metal_colour(design, weights="steel zinc aluminium"), metal=1.0, rough=0.1)
    part = turned(part, draft, pitch=0.014, depth=1.0)
    part = replace(
        part, height=part.height + _flange_profile(radius, hub, face, grooves, pixel=view.pixel)
    )
    dark = cover(np.abs(radius - grooves) - 0.016, view.pixel)
    part = painted(part, 0.4 * dark, (0.1, 0.1, 0.1))
    part = edged(part, draft, disc(view.u, view.v, outer), 0.022)
    part = bored(part, draft, (0.0, 0.0), bore, depth=0.13, countersink=0.1)
    place_u, place_v, index = around(view.u, view.v, bolts, circle)
    size = np.where(index == missing(draft, bolts), -1.0, bolt)
    return handled(bored(part, draft, (place_u, place_v), size, countersink=0.22), draft)


def _flange_profile(
    radius: Field, hub: float, face: float, groove: float, *, pixel: float
) -> Field:
    """Height over radius; its steps are rounded over some pixels, or they would look jagged."""
    step = max(0.007, 2.0 * pixel)
    wall = max(0.004, 2.0 * pixel)
    trough = np.abs(radius - groove)
    height: Field = (
        0.075
        - 0.045 * ramp(radius, hub - step, hub + step)
        - 0.030 * ramp(radius, face - step, face + step)
        - 0.018 * (1.0 - ramp(trough, 0.017 - wall, 0.017 + wall))
    )
    return height


def edged(part: Surface, draft: Draft, outline: Field, width: float) -> Surface:
    """The part cut to an outline with a chamfered edge."""
    return replace(
        part,
        height=part.height + chamfer(outline, width) * (0.36 * width),
        cover=part.cover * cover(outline, draft.view.pixel),
    )


def handled(part: Surface, draft: Draft) -> Surface:
    """The part with the faint film of oil and fingerprints that clean parts have."""
    film = clouds(draft.chance, draft.view.size_px, wavelength=0.5)
    return replace(
        part,
        rough=part.rough * (1.0 + 0.1 * film).clip(0.6, 1.5),
        colour=part.colour * (1.0 + 0.025 * film)[..., None],
    )


def washer(draft: Draft) -> Surface:
    """A plain or spring washer of any metal, turned or stamped."""
    design, view = draft.design, draft.view
    outer = float(design.uniform(0.55, 0.8))
    bore = outer * float(design.uniform(0.4, 0.65))
    part = blank(view, metal_colour(design), metal=1.0, rough=float(design.uniform(0.08, 0.3)))
    part = turned(
        part, draft, pitch=float(design.uniform(0.008, 0.03)), depth=float(design.uniform(0.2, 1.2))
    )
    outline = disc(view.u, view.v, outer)
    if design.random() < 0.4:
        drop = float(design.uniform(0.05, 0.2))
        part = replace(part, height=part.height + fillet(outline, outer - bore) * drop)
    part = edged(part, draft, outline, float(design.uniform(0.01, 0.05)))
    return handled(
        bored(
            part, draft, (0.0, 0.0), bore, depth=float(design.uniform(0.03, 0.1)), countersink=0.06
        ),
        draft,
    )


def bearing(draft: Draft) -> Surface:
    """A ball bearing: two rings, a cage and its balls, or a shield over them."""
    design, view = draft.design, draft.view
    outer = float(design.uniform(0.65, 0.82))
    bore, count = outer * float(design.uniform(0.35, 0.5)), int(design.integers(7, 13))
    track, gap = (outer + bore) / 2.0, (outer - bore) * float(design.uniform(0.2, 0.26))
    radius = np.hypot(view.u, view.v)
    part = blank(view, metal_colour(design, weights="steel zinc"), metal=1.0, rough=0.1)
    part = turned(part, draft, pitch=0.01, depth=0.5)
    between = np.abs(radius - track) - gap
    sunk = cover(between, view.pixel)
    part = painted(part, sunk, (0.05, 0.05, 0.055), rough=0.5)
    part = replace(
        part, height=part.height - 0.12 * sunk + chamfer(-between, 0.02) * 0.02 * (between > 0)
    )
    place_u, place_v, index = around(view.u, view.v, count, track)
    ball = np.hypot(view.u - place_u, view.v - place_v) - gap * 0.98
    there = cover(ball, view.pixel) * (index != missing(draft, count))
    part = painted(part, there, (0.7, 0.7, 0.72), metal=1.0, rough=0.06)
    part = replace(part, height=part.height + there * (fillet(ball, gap) * gap + 0.1))
    cage = cover(np.abs(radius - track) - gap * 0.35, view.pixel) * cover(
        -ball - 0.1 * gap, view.pixel
    )
    part = painted(part, cage, metal_colour(design, weights="brass steel"), metal=1.0, rough=0.3)
    part = edged(part, draft, disc(view.u, view.v, outer), 0.03)
    return handled(bored(part, draft, (0.0, 0.0), bore, depth=0.1, countersink=0.1), draft)


def lid(draft: Draft) -> Surface:
    """A stamped metal lid or can end with concentric beads."""
    design, view = draft.design, draft.view
    outer = float(design.uniform(0.68, 0.85))
    beads = sorted(outer * float(f) for f in design.uniform(0.2, 0.85, int(design.integers(1, 5))))
    depth = float(design.uniform(0.01, 0.03))
    width = float(design.uniform(0.015, 0.04))
    radius = np.hypot(view.u, view.v)
    part = blank(view, metal_colour(design), metal=1.0, rough=float(design.uniform(0.12, 0.3)))
    if design.random() < 0.5:
        part = turned(part, draft, depth=0.4)
    for bead in beads:
        part = replace(part, height=part.height + depth * np.exp(-(((radius - bead) / width) ** 2)))
    outline = disc(view.u, view.v, outer)
    rim = np.exp(-(((outline + 0.04) / 0.025) ** 2))
    part = replace(part, height=part.height + 0.03 * rim)
    return handled(edged(part, draft, outline, 0.02), draft)
