"""Which pictures an epoch shows, in which order, each beside which reference."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np

from res2clip.datasets import Category, Sample
from res2clip_runtime.errors import InputError

__all__ = ["Pair", "PairsOfEpoch", "random_pairs"]


@dataclass(frozen=True, slots=True)
class Pair:
    """A picture to train on and what it is compared with."""

    query: Sample
    """The picture and the truth about it."""
    reference: Path
    """A normal picture of the same category and split, other than the query."""


PairsOfEpoch: TypeAlias = Callable[[int], Sequence[Pair]]
"""The pairs of an epoch (0-based) in their order; every epoch has as many."""


def random_pairs(categories: Sequence[Category], seed: int) -> PairsOfEpoch:
    """Return a function of the epoch: all test pictures, shuffled, each with a random reference.

    It depends on seed and epoch alone, so a run that goes on needs no state of a generator.

    Raises:
        InputError: there are no test pictures, one has no mask, or no reference.
    """
    choices = [
        (sample, references) for category in categories for sample, references in _choices(category)
    ]
    if not choices:
        raise InputError(
            "the data (--data) holds no test pictures; training needs test/good and test/DEFECT "
            "with masks"
        )

    def pairs(epoch: int) -> tuple[Pair, ...]:
        rng = np.random.default_rng([seed, epoch])
        shuffled = [choices[index] for index in rng.permutation(len(choices))]
        return tuple(Pair(q, normal[rng.integers(len(normal))]) for q, normal in shuffled)

    return pairs


def _choices(category: Category) -> list[tuple[Sample, tuple[Path, ...]]]:
    """Return every test picture with the normal ones it can be compared with."""
    normal = [sample.path for sample in category.test if not sample.defective]
    if category.test and len(normal) < 2:
        raise InputError(
            f"{category.name} has {len(normal)} good test picture(s); training compares with good "
            f"ones of the same split: put 2 or more into {category.folder / 'test' / 'good'}"
        )
    if unmasked := [s.path for s in category.test if s.defective and s.mask is None]:
        raise InputError(
            f"{unmasked[0]} has no mask, training needs one for each defective picture; add them "
            f"({category.folder / 'ground_truth'}) or leave {category.name} out"
        )
    return [(s, tuple(path for path in normal if path != s.path)) for s in category.test]
