"""Long parts lying on their side: screws, shafts, springs, cable lugs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from res2clip.drawing.draft import Draft
from res2clip.drawing.field import Field, clip01
from res2clip.drawing.finish import cast, turned
from res2clip.drawing.shapes import box, cover
from res2clip.drawing.surface import Surface, blank, metal_colour, painted, plastic_colour
from res2clip.drawing.turned_parts import handled


def rod(u: Field, v: Field, radius: Field, half_length: float) -> tuple[Field, Field]:
    """A round bar along u whose radius may change along it.

    Returns:
        its height and the distance to its outline, (H, W) each.
    """
    across = clip01(np.abs(v) / np.maximum(radius, 1e-3))
    height = radius * np.sqrt(np.maximum(1.0 - across * across, 0.0))
    return height, np.maximum(np.abs(v) - radius, np.abs(u) - half_length)


def _metal(draft: Draft, rough: float) -> Surface:
    surface = blank(draft.view, metal_colour(draft.design), metal=1.0, rough=rough, grain=np.pi / 2)
    return replace(surface, streak=np.full_like(surface.streak, rough * 2.0))


def screw(draft: Draft) -> Surface:
    """A screw: head, shank and thread, with a cut or pointed end."""
    design, u, v = draft.design, draft.view.u, draft.view.v
    shank, head = float(design.uniform(0.1, 0.15)), float(design.uniform(0.22, 0.3))
    long, tall = float(design.uniform(0.6, 0.78)), float(design.uniform(0.12, 0.22))
    pitch, deep = float(design.uniform(0.055, 0.085)), float(design.uniform(0.16, 0.24))
    pointed, flat_head = design.random() < 0.5, design.random() < 0.5
    start = -long + tall + float(design.uniform(0.02, 0.3))
    thread = deep * (2.0 * np.abs(np.mod(u / pitch + 0.5 * v / shank * 0.5, 1.0) - 0.5) - 0.5)
    if draft.flaw == "missing_feature":
        first = start + float(draft.fate.uniform(0.1, 0.6)) * (long - start)
        last = first + float(draft.fate.uniform(0.12, 0.5)) * (long - start)
        thread = np.where((u > first) & (u < last), -0.5 * deep, thread)
    tip = clip01((long - u) / 0.25) if pointed else 1.0
    radius = shank * (1.0 + np.where(u > start, thread, 0.0)) * tip
    cone = head * (1.0 - clip01((u + long) / tall)) + shank * clip01((u + long) / tall)
    radius = np.where(u < tall - long, cone if flat_head else head, radius)
    height, outline = rod(u, v, radius, long)
    part = _metal(draft, float(design.uniform(0.08, 0.2)))
    part = replace(part, height=0.8 * height, cover=cover(outline, draft.view.pixel))
    return handled(part, draft)


def shaft(draft: Draft) -> Surface:
    """A stepped shaft with grooves."""
    design, u, v = draft.design, draft.view.u, draft.view.v
    steps, long = int(design.integers(2, 5)), float(design.uniform(0.7, 0.85))
    edges = np.sort(design.uniform(-long, long, steps))
    radii = design.uniform(0.12, 0.34, steps + 1)
    radius = radii[0] + sum((radii[i + 1] - radii[i]) * (u > edges[i]) for i in range(steps))
    groove = float(design.uniform(-0.5, 0.5) * long)
    cut = 0.0 if draft.flaw == "missing_feature" else 0.035
    radius = (radius - cut * (np.abs(u - groove) < 0.03)).astype(np.float32)
    height, outline = rod(u, v, radius, long)
    part = _metal(draft, float(design.uniform(0.06, 0.2)))
    rings = np.sin(u * (2 * np.pi / 0.021)) + np.sin(u * (2 * np.pi / 0.033) + 1.0)
    seen = min(1.0, 0.01 / draft.view.pixel) * float(design.uniform(0.0, 0.06))
    part = replace(part, colour=part.colour * (1.0 + seen * rings)[..., None])
    part = replace(part, height=0.8 * height, cover=cover(outline, draft.view.pixel))
    return handled(part, draft)


def spring(draft: Draft) -> Surface:
    """A helical spring."""
    design, u, v = draft.design, draft.view.u, draft.view.v
    coil, long = float(design.uniform(0.22, 0.38)), float(design.uniform(0.65, 0.8))
    pitch = float(design.uniform(0.1, 0.17))
    wire = pitch * float(design.uniform(0.2, 0.34))
    turns = max(3, int(2 * long / pitch))
    part = _metal(draft, 0.15)
    height, seen = np.full_like(u, -0.2), np.zeros_like(u)
    for back in (True, False):
        lean = (0.25 if back else -0.25) * pitch * np.sin(np.clip(v / coil, -1, 1) * (np.pi / 2))
        place = (u + lean) / pitch + (0.5 if back else 0.0)
        index = np.rint(place)
        gap = np.abs(place - index) * pitch
        there = (np.abs(index) <= turns / 2) * 1.0
        if draft.flaw == "missing_feature":
            there = there * (np.abs(index - int(draft.fate.integers(-2, 3))) > 0.6)
        sits = (-1.0 if back else 1.0) * np.sqrt(np.maximum(coil**2 - v**2, 0.0)) * 0.6
        shape = cover(np.maximum(gap - wire, np.abs(v) - coil), draft.view.pixel) * there
        round_wire = np.sqrt(np.maximum(wire**2 - gap**2, 0.0))
        height = np.where(shape > 0.5, sits + round_wire, height)
        seen = np.maximum(seen, shape)
        if back:
            part = painted(part, shape, (0.12, 0.12, 0.12))
        else:
            part = painted(part, shape, (0.6, 0.6, 0.6))
    return replace(part, height=height.astype(np.float32), cover=seen)


def pen(draft: Draft) -> Surface:
    """A plastic tube with coloured sections and a metal ring, such as a pen or a syringe."""
    design, u, v = draft.design, draft.view.u, draft.view.v
    long, thick = float(design.uniform(0.75, 0.9)), float(design.uniform(0.12, 0.24))
    split = float(design.uniform(-0.3, 0.4))
    body, cap = plastic_colour(design), plastic_colour(design)
    taper = clip01((long - u) / 0.3) ** 0.5 if design.random() < 0.5 else 1.0
    height, outline = rod(u, v, thick * (0.75 + 0.25 * (u < split)) * taper + 0.0 * u, long)
    part = cast(blank(draft.view, body, rough=float(design.uniform(0.08, 0.35))), draft, depth=0.3)
    part = painted(part, 1.0 * (u < split), cap)
    if draft.flaw != "missing_feature":
        part = painted(
            part, 1.0 * (np.abs(u - split) < 0.035), (0.7, 0.7, 0.7), metal=1.0, rough=0.1
        )
    return replace(part, height=part.height + height, cover=cover(outline, draft.view.pixel))


def lug(draft: Draft) -> Surface:
    """A crimped cable lug: a ring tongue, a barrel and an insulated wire."""
    design, view = draft.design, draft.view
    u, v = view.u, view.v
    ring, wire = float(design.uniform(0.26, 0.34)), float(design.uniform(0.1, 0.15))
    metal, sheath = metal_colour(design, weights="copper zinc brass"), plastic_colour(design)
    centre = -0.5
    part = turned(blank(view, metal, metal=1.0, rough=0.15), draft, depth=0.4)
    tongue = np.minimum(np.hypot(u - centre, v) - ring, box(u + 0.2, v, 0.25, ring * 0.7, 0.05))
    outline = np.minimum(tongue, box(u - 0.15, v, 0.25, wire * 1.2, 0.02))
    height, tube = rod(u - 0.6, v, 0.0 * u + wire, 0.45)
    barrel, _ = rod(u - 0.15, v, 0.0 * u + wire * 1.2, 0.25)
    crimps = 0.04 * np.exp(-(((u - 0.15) / 0.05) ** 2)) * (draft.flaw != "missing_feature")
    part = painted(part, cover(0.4 - u, view.pixel), sheath, metal=0.0, rough=0.3)
    tall = np.where(u > 0.4, height, np.where(u > -0.08, barrel - crimps, 0.0))
    part = replace(part, height=part.height + tall.astype(np.float32))
    hole = np.hypot(u - centre, v) - ring * 0.5
    whole = cover(np.minimum(outline, tube), view.pixel) * cover(-hole, view.pixel)
    return replace(part, cover=whole)
