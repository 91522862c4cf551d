"""The seven figures of few-shot anomaly detection for one category, and their mean.

    I-AUROC  I-AP  I-F1    is the picture's score higher for defective pictures?
    P-AUROC  P-AP  P-F1    is the map higher on defective pixels?
    PRO                    how much of each defect is found, large or small, up to 30 % false alarms

All are exact: every distinct score is a threshold, ties are one step. The curves can only turn at
the score of a positive, so it is enough to sort the negatives once and look the positives up in
them, which takes seconds for the 27 million pixels of a hundred maps of 518 x 518.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from res2clip_runtime.errors import InputError

__all__ = ["FPR_LIMIT", "Metrics", "mean_metrics", "measure"]

FPR_LIMIT = 0.3  # Bergmann et al., "Uninformed Students", CVPR 2020, section 4.3

_EIGHT_CONNECTED = np.ones((3, 3), np.intp)
_Floats = npt.NDArray[np.floating]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """The seven figures, 0..1; NaN where undefined: only one class present, or no masks given."""

    i_auroc: float
    """Area under the ROC curve of the picture scores."""
    i_ap: float
    """Average precision of the picture scores."""
    i_f1: float
    """Best F1 over all thresholds of the picture scores."""
    p_auroc: float
    """Area under the ROC curve over all pixels."""
    p_ap: float
    """Average precision over all pixels."""
    p_f1: float
    """Best F1 over all thresholds of the pixels."""
    pro: float
    """Per-region overlap, integrated to `FPR_LIMIT` and divided by it."""


def measure(
    labels: npt.ArrayLike,
    scores: npt.ArrayLike,
    *,
    maps: npt.ArrayLike | None = None,
    masks: npt.ArrayLike | None = None,
) -> Metrics:
    """The seven figures of one category.

    Args:
        labels: (n,) 0 or False for good pictures, 1 or True for defective ones.
        scores: (n,) the higher, the more anomalous.
        maps: (n, H, W) float, anomaly maps; None to leave the pixel figures NaN.
        masks: (n, H, W) True on defective pixels.

    Raises:
        InputError: if shapes do not fit, labels are not 0 or 1, or a number is not finite.
    """
    truth = _as_truth("labels", labels)
    image = _steps(*_split("scores", np.asarray(scores), truth, dimensions=1))
    if (maps is None) != (masks is None):
        raise InputError("pixel metrics need both maps and masks; got only one of them")
    if maps is None or masks is None:
        return _figures(image, None, pro=float("nan"))
    defective = _as_truth("masks", masks)
    if len(defective) != len(truth):
        raise InputError(f"got {len(defective)} masks for {len(truth)} labels; expected as many")
    positives, negatives = _split("maps", np.asarray(maps), defective, dimensions=3)
    pixel = _steps(positives, negatives)
    return _figures(image, pixel, pro=_pro(positives, negatives, defective))


def mean_metrics(categories: Sequence[Metrics]) -> Metrics:
    """Each figure's mean over the categories in which it is defined; NaN if in none.

    Raises:
        InputError: if there is no category.
    """
    if not categories:
        raise InputError("the mean of no categories is undefined; expected at least one")
    table = np.asarray([astuple(category) for category in categories], np.float64)
    known = ~np.isnan(table)
    count = known.sum(axis=0)
    total = np.where(known, table, 0.0).sum(axis=0)
    means = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    names = (field.name for field in fields(Metrics))
    return Metrics(**dict(zip(names, means.tolist(), strict=True)))


def _as_truth(name: str, values: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    array = np.asarray(values)
    if array.dtype != np.bool_ and not np.isin(array, (0, 1)).all():
        raise InputError(f"{name} must hold only 0 and 1 (or False and True)")
    return array.astype(np.bool_, copy=False)


def _split(
    name: str, values: npt.NDArray[Any], truth: npt.NDArray[np.bool_], *, dimensions: int
) -> tuple[_Floats, _Floats]:
    """The scores of the positives in their order, and those of the negatives, sorted."""
    if truth.ndim != dimensions or values.shape != truth.shape:
        raise InputError(
            f"{name} and their truth must have the same shape with {dimensions} dimension(s); "
            f"got {values.shape} and {truth.shape}"
        )
    floats: _Floats = (
        values if np.issubdtype(values.dtype, np.floating) else values.astype(np.float64)
    )
    if not np.isfinite(floats).all():
        raise InputError(f"{name} must be finite; got NaN or infinity")
    return floats[truth], np.sort(floats[~truth])


@dataclass(frozen=True, slots=True)
class _Steps:
    """Counts at every distinct score of a positive, from the highest down."""

    found: npt.NDArray[np.int64]
    """Positives at or above the score."""
    alarms_above: npt.NDArray[np.int64]
    """Negatives above the score."""
    alarms: npt.NDArray[np.int64]
    """Negatives at or above the score."""
    negatives: int
    """All negatives."""


def _steps(positives: _Floats, negatives: _Floats) -> _Steps | None:
    if not positives.size or not negatives.size:
        return None
    values, counts = np.unique(positives, return_counts=True)
    values, counts = values[::-1], counts[::-1]
    return _Steps(
        np.cumsum(counts),
        len(negatives) - np.searchsorted(negatives, values, side="right"),
        len(negatives) - np.searchsorted(negatives, values, side="left"),
        len(negatives),
    )


def _figures(image: _Steps | None, pixel: _Steps | None, *, pro: float) -> Metrics:
    return Metrics(
        i_auroc=_auroc(image),
        i_ap=_average_precision(image),
        i_f1=_best_f1(image),
        p_auroc=_auroc(pixel),
        p_ap=_average_precision(pixel),
        p_f1=_best_f1(pixel),
        pro=pro,
    )


def _auroc(steps: _Steps | None) -> float:
    """Share of (positive, negative) pairs in the right order, ties half (Mann-Whitney)."""
    if steps is None:
        return float("nan")
    gained = np.diff(steps.found, prepend=0).astype(np.float64)
    below = steps.negatives - 0.5 * (steps.alarms_above + steps.alarms)
    return float(gained @ below / (steps.found[-1] * float(steps.negatives)))


def _average_precision(steps: _Steps | None) -> float:
    """Precision at each threshold, weighted by the recall gained there."""
    if steps is None:
        return float("nan")
    gained = np.diff(steps.found, prepend=0).astype(np.float64)
    precision = steps.found / (steps.found + steps.alarms)
    return float(gained @ precision / steps.found[-1])


def _best_f1(steps: _Steps | None) -> float:
    if steps is None:
        return float("nan")
    return float((2.0 * steps.found / (steps.found + steps.alarms + steps.found[-1])).max())


def _pro(positives: _Floats, negatives: _Floats, masks: npt.NDArray[np.bool_]) -> float:
    """Per-region overlap over the false positive rate, integrated to `FPR_LIMIT`."""
    if not positives.size or not negatives.size:
        return float("nan")
    values, place = np.unique(positives, return_inverse=True)
    gained = np.bincount(place, weights=_region_shares(masks), minlength=len(values))[::-1]
    values = values[::-1]
    overlap = np.cumsum(gained)
    above = 1.0 - np.searchsorted(negatives, values, side="right") / len(negatives)
    upto = 1.0 - np.searchsorted(negatives, values, side="left") / len(negatives)
    # At each score the curve rises from (above, overlap before) to (upto, overlap): straight up,
    # or slanting where negatives share the score. In between it is level.
    rate = np.concatenate([[0.0], np.stack([above, upto], axis=1).ravel(), [1.0]])
    level = np.concatenate([[0.0], np.stack([overlap - gained, overlap], axis=1).ravel(), [1.0]])
    return _area(rate, level, FPR_LIMIT) / FPR_LIMIT


def _region_shares(masks: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """For each True pixel, in order: 1 / (pixels of its region * number of regions)."""
    shares, regions = [], 0
    for mask in masks:
        named, count = ndimage.label(mask, structure=_EIGHT_CONNECTED)
        if count:
            name = named[mask]
            shares.append(1.0 / np.bincount(name)[name])
            regions += count
    return np.concatenate(shares) / regions


def _area(rate: npt.NDArray[np.float64], level: npt.NDArray[np.float64], limit: float) -> float:
    """Trapezoid area under a curve of growing `rate`, cut off at `limit`."""
    last = int(np.searchsorted(rate, limit, side="right"))
    if last < len(rate):
        step = rate[last] - rate[last - 1]
        part = (limit - rate[last - 1]) / step
        end = level[last - 1] + part * (level[last] - level[last - 1])
        rate = np.append(rate[:last], limit)
        level = np.append(level[:last], end)
    return float(np.sum(np.diff(rate) * (level[1:] + level[:-1]) / 2.0))
