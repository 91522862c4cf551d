"""Draws of good pictures to teach from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from res2clip.datasets import Category
from res2clip.evaluation import choose_references

__all__ = ["Draw", "References", "draw_references"]

References = Callable[[Category, int, int], tuple[Path, ...]]
"""Returns the good pictures of (category, shots, seed)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """Good pictures to teach one category from."""

    shots: int
    """k: how many."""
    seed: int
    """Which draw."""
    references: tuple[Path, ...]
    """The pictures."""


def draw_references(
    category: Category,
    shots: Sequence[int],
    seeds: Sequence[int],
    *,
    choose: References = choose_references,
) -> tuple[Draw, ...]:
    """Return the draws of a category: every number of shots with every seed.

    Raises:
        InputError: the category holds fewer good pictures.
    """
    return tuple(
        Draw(shots=count, seed=seed, references=choose(category, count, seed))
        for count in shots
        for seed in seeds
    )
