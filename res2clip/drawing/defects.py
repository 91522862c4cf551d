"""The defects by name: which exist, where they may sit, and how a surface gets one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from res2clip.drawing import damage, edges, marks
from res2clip.drawing.field import Field, Rng, blur
from res2clip.drawing.spot import Spot
from res2clip.drawing.surface import Surface
from res2clip.drawing.view import View

ON_SURFACE: dict[str, Callable[[Surface, Spot], Surface]] = {
    "scratch": damage.scratch,
    "crack": damage.crack,
    "dent": damage.dent,
    "hole": damage.hole,
    "pitting": damage.pitting,
    "scuff": damage.scuff,
    "stain": marks.stain,
    "contamination": marks.contamination,
    "fibre": marks.fibre,
    "discolouration": marks.discolouration,
    "wrong_colour": marks.wrong_colour,
}
"""Defects that any surface can get."""

AT_EDGE: dict[str, Callable[[Surface, Spot], Surface]] = {"chip": edges.chip, "burr": edges.burr}
"""Defects of an outline."""

STRUCTURAL = frozenset({"missing_feature", "misprint", "cut_thread", "bent"})
"""Defects that the product's family draws itself, or that bend the view of it."""

SMALLEST_AREA, LARGEST_AREA = 0.001, 0.03  # of the picture


def damaged(surface: Surface, view: View, rng: Rng, defect: str, *, boost: float) -> Surface:
    """The surface with one defect from `ON_SURFACE` or `AT_EDGE` at a random place.

    Args:
        surface: without the defect.
        view: the view.
        rng: place, size, strength and shape of the defect.
        defect: its name.
        boost: 1 at first, more to make a defect that could not be seen stronger.
    """
    area = float(np.exp(rng.uniform(np.log(SMALLEST_AREA), np.log(LARGEST_AREA)))) * boost
    strength = float(np.exp(rng.uniform(np.log(0.45), np.log(1.3)))) * boost
    row, column = _site(surface.cover, rng, at_edge=defect in AT_EDGE, margin=0.05 / view.pixel)
    spot = Spot(
        view,
        rng,
        float(view.x[row, column]),
        float(view.y[row, column]),
        (4.0 * area / np.pi) ** 0.5,
        strength,
    )
    return (AT_EDGE if defect in AT_EDGE else ON_SURFACE)[defect](surface, spot)


def _site(cover: Field, rng: Rng, *, at_edge: bool, margin: float) -> tuple[int, int]:
    """A random pixel on the product, at its outline or away from it."""
    soft = blur(cover, margin)
    allowed = (np.abs(soft - 0.5) < 0.15) & (cover > 0.5) if at_edge else soft > 0.97
    rim = max(2, round(0.04 * len(cover)))
    allowed[:rim] = allowed[-rim:] = allowed[:, :rim] = allowed[:, -rim:] = False
    places = np.flatnonzero(allowed if allowed.any() else cover > 0.5)
    row, column = divmod(int(places[int(rng.integers(len(places)))]), cover.shape[1])
    return row, column
