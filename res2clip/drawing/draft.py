"""What a product family is given to draw one picture of one product."""

from __future__ import annotations

from dataclasses import dataclass

from res2clip.drawing.field import Rng
from res2clip.drawing.view import View


@dataclass(frozen=True, slots=True)
class Draft:
    """The pose and the sources of randomness of one picture.

    A family must draw the same numbers from `design` and `chance` with and without a flaw, so that
    the two pictures differ by the flaw alone; whatever the flaw needs comes from `fate`.
    """

    view: View
    """Where the product lies."""
    design: Rng
    """Fixed by the product: its dimensions, colours, materials."""
    chance: Rng
    """Fixed by the picture: the random part of its texture."""
    flaw: str
    """A structural defect that the family itself must draw, or "" for none."""
    fate: Rng
    """Where and how large the flaw is."""


def missing(draft: Draft, count: int) -> int:
    """Index of the one of `count` features that is to be left out, or -1 for none."""
    return int(draft.fate.integers(count)) if draft.flaw == "missing_feature" else -1
