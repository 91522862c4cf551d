"""Counts at every threshold that matters, and the figures that follow from them.

Every distinct score is a threshold, ties are one step. The curves can only turn at the score of a
positive, so the positives are sorted once and the negatives are only counted between them, piece by
piece: they never have to be in memory together.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = [
    "Curves",
    "Floats",
    "Steps",
    "auroc",
    "average_precision",
    "best_f1",
    "count_steps",
    "curves",
]

Floats: TypeAlias = npt.NDArray[np.floating]
Counts: TypeAlias = npt.NDArray[np.int64]

_CURVE_POINTS = 300
"""Points of a drawn curve; more cannot be seen."""


@dataclass(frozen=True, slots=True, eq=False)
class Steps:
    """Counts at every distinct score of a positive, from the highest down."""

    found: Counts
    """Positives at or above the score."""
    alarms_above: Counts
    """Negatives above the score."""
    alarms: Counts
    """Negatives at or above the score."""
    negatives: int
    """All negatives."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Curves:
    """ROC and precision-recall curve at the same thresholds, few enough points to draw."""

    false_alarms: npt.NDArray[np.float64]
    """(n,) share of the negatives at or above the threshold, growing."""
    recall: npt.NDArray[np.float64]
    """(n,) share of the positives at or above the threshold, growing."""
    precision: npt.NDArray[np.float64]
    """(n,) share of positives in what is at or above the threshold."""


def count_steps(
    positives: Floats, negatives: Iterable[Floats], weights: npt.NDArray[np.float64] | None = None
) -> tuple[Steps, npt.NDArray[np.float64]] | None:
    """Return the counts, and the weight gained at each step; None where a class is empty.

    Args:
        positives: (n,) scores.
        negatives: pieces of any length; each is sorted where it lies.
        weights: (n,) of the positives; None counts each as 1.
    """
    if not positives.size:
        return None
    values, place = np.unique(positives, return_inverse=True)
    between = np.zeros(len(values) + 1, np.int64)  # negatives above so many of the values
    equal = np.zeros(len(values) + 1, np.int64)
    for piece in negatives:
        piece.sort()
        below = np.searchsorted(values, piece)
        between += np.bincount(below, minlength=len(between))
        tied = values[np.minimum(below, len(values) - 1)] == piece
        equal += np.bincount(below[tied], minlength=len(equal))
    if not between.any():
        return None
    above = np.cumsum(between[::-1])[:-1]  # from the highest value down
    found = np.cumsum(np.bincount(place, minlength=len(values))[::-1])
    gained = np.bincount(place, weights, minlength=len(values))[::-1].astype(np.float64)
    return Steps(found, above, above + equal[-2::-1], int(between.sum())), gained


def auroc(steps: Steps) -> float:
    """Return the share of (positive, negative) pairs in the right order, ties half."""
    gained = np.diff(steps.found, prepend=0).astype(np.float64)
    below = steps.negatives - 0.5 * (steps.alarms_above + steps.alarms)
    return float(gained @ below / (steps.found[-1] * float(steps.negatives)))


def average_precision(steps: Steps) -> float:
    """Return the precision at each threshold, weighted by the recall gained there."""
    gained = np.diff(steps.found, prepend=0).astype(np.float64)
    precision = steps.found / (steps.found + steps.alarms)
    return float(gained @ precision / steps.found[-1])


def best_f1(steps: Steps) -> float:
    """Return the highest F1 over all thresholds."""
    return float((2.0 * steps.found / (steps.found + steps.alarms + steps.found[-1])).max())


def curves(steps: Steps) -> Curves:
    """Return the curves, thinned to points at about even distances along the ROC curve."""
    false_alarms = np.concatenate([[0], steps.alarms, [steps.negatives]]) / steps.negatives
    recall = np.concatenate([[0], steps.found, steps.found[-1:]]) / steps.found[-1]
    called = np.concatenate([[1], steps.found + steps.alarms, [steps.found[-1] + steps.negatives]])
    precision = np.concatenate([[np.nan], steps.found, steps.found[-1:]]) / called
    precision[0] = precision[1]  # nothing is called yet: the curve begins level
    length = np.cumsum(
        np.abs(np.diff(false_alarms, prepend=0)) + np.abs(np.diff(recall, prepend=0))
    )
    wanted = np.linspace(0.0, length[-1], _CURVE_POINTS)
    kept = np.unique(np.append(np.searchsorted(length, wanted), [0, len(length) - 1]))
    kept = kept[kept < len(length)]
    return Curves(false_alarms=false_alarms[kept], recall=recall[kept], precision=precision[kept])
