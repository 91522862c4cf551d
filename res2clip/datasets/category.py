"""A product's pictures and the truth about them."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from res2clip_runtime.errors import InputError

__all__ = ["GOOD", "Category", "Sample"]

GOOD = "good"
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One test picture and the truth about it."""

    path: Path
    """The picture."""
    defect: str
    """Name of the defect, or ``good``."""
    mask: Path | None
    """Its mask: a picture, or a folder whose masks count together; None for good pictures and where
    no masks were given. Read it with ``load_mask``."""

    @property
    def defective(self) -> bool:
        """Whether it shows a defective part."""
        return self.defect != GOOD


@dataclass(frozen=True, slots=True, kw_only=True)
class Category:
    """A product: good pictures to teach from, and pictures to test with."""

    name: str
    """Name of its folder (with the parent's where that alone is ambiguous)."""
    folder: Path
    """Where it lies."""
    train_good: tuple[Path, ...]
    """Good pictures to teach from, sorted; never empty."""
    test: tuple[Sample, ...]
    """Test pictures: the good ones first, then defect by defect; may be empty."""
    layout: str = ""
    """Name of the layout it was found in, such as ``mvtec``."""

    @property
    def test_folder(self) -> Path:
        """Deepest folder that holds every test picture; names of test pictures start there."""
        parents = {sample.path.parent for sample in self.test}
        return Path(os.path.commonpath(parents)) if parents else self.folder

    @property
    def defects(self) -> tuple[str, ...]:
        """Names of the defects in the test pictures, sorted."""
        return tuple(sorted({sample.defect for sample in self.test if sample.defective}))

    def limited(self, per_class: int) -> Category:
        """Return the category with at most ``per_class`` test pictures, evenly chosen, a class.

        Raises:
            InputError: the limit is not positive.
        """
        if per_class < 1:
            raise InputError(
                f"the number of pictures per class (--limit) is {per_class}; give 1 or more"
            )
        kept: list[Sample] = []
        for defect in (GOOD, *self.defects):
            kept += _spread([sample for sample in self.test if sample.defect == defect], per_class)
        return dataclasses.replace(self, test=tuple(kept))


def _spread(items: Sequence[_T], count: int) -> list[_T]:
    """Return ``count`` items at even distances: neighbours in a series look alike."""
    if len(items) <= count:
        return list(items)
    return [items[index * len(items) // count] for index in range(count)]
