"""What was found in a data set, counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from res2clip.datasets.category import Category

__all__ = ["CategoryCount", "take_inventory"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryCount:
    """The numbers of a category."""

    name: str
    """Its name."""
    layout: str
    """Layout it was found in."""
    train_good: int
    """Good pictures to teach from."""
    test_good: int
    """Good pictures to test."""
    defective: int
    """Defective pictures to test."""
    masks: int
    """Defective pictures that have a mask."""
    defects: dict[str, int]
    """Defective pictures by defect, sorted by name."""


def take_inventory(categories: Sequence[Category]) -> tuple[CategoryCount, ...]:
    """Return the numbers of each category, in order."""
    return tuple(_count(category) for category in categories)


def _count(category: Category) -> CategoryCount:
    defective = [sample for sample in category.test if sample.defective]
    defects = Counter(sample.defect for sample in defective)
    return CategoryCount(
        name=category.name,
        layout=category.layout,
        train_good=len(category.train_good),
        test_good=len(category.test) - len(defective),
        defective=len(defective),
        masks=sum(sample.mask is not None for sample in defective),
        defects=dict(sorted(defects.items())),
    )
