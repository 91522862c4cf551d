"""The seven figures of few-shot anomaly detection for one category, and their mean.

    I-AUROC  I-AP  I-F1    is the picture's score higher for defective pictures?
    P-AUROC  P-AP  P-F1    is the map higher on defective pixels?
    PRO                    how much of each defect is found, large or small, up to 30 % false alarms

All are exact: every distinct score is a threshold, ties are one step. Maps are taken one by one
(``pixel_scores``), so memory does not grow with the number of pictures.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields
from itertools import zip_longest

import numpy as np
import numpy.typing as npt

from res2clip.pixel_scores import PixelFigures, PixelScores
from res2clip_runtime.errors import InputError
from res2clip_runtime.threshold_steps import (
    Steps,
    auroc,
    average_precision,
    best_f1,
    count_steps,
)

__all__ = ["METRIC_NAMES", "Metrics", "image_steps", "mean_metrics", "measure", "with_pixels"]

METRIC_NAMES = {
    "i_auroc": "I-AUROC",
    "i_ap": "I-AP",
    "i_f1": "I-F1",
    "p_auroc": "P-AUROC",
    "p_ap": "P-AP",
    "p_f1": "P-F1",
    "pro": "PRO",
}
"""How the figures are called where people read them."""


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
    """Per-region overlap, integrated to a false positive rate of 0.3 and divided by it."""


def measure(
    labels: npt.ArrayLike,
    scores: npt.ArrayLike,
    *,
    maps: Iterable[npt.ArrayLike] | None = None,
    masks: Iterable[npt.ArrayLike] | None = None,
) -> Metrics:
    """Return the seven figures of one category.

    Args:
        labels: (n,) 0 or False for good pictures, 1 or True for defective ones.
        scores: (n,) the higher, the more anomalous.
        maps: n anomaly maps, (H, W) float each, taken one by one; None: no pixel figures.
        masks: n masks, (H, W), True on defective pixels.

    Raises:
        InputError: if shapes do not fit, labels are not 0 or 1, or a number is not finite.
        OutputError: if there is no place for a temporary file.
    """
    if (maps is None) != (masks is None):
        raise InputError("pixel metrics need both maps and masks; got only one of them")
    if maps is None or masks is None:
        return with_pixels(labels, scores, None)
    with PixelScores() as pixels:
        count = 0
        for one, mask in zip_longest(maps, masks):
            if one is None or mask is None:
                raise InputError(f"got more than {count} maps or masks, but not as many of both")
            pixels.add(np.asarray(one), _as_truth("masks", mask))
            count += 1
        if count != np.size(labels):
            raise InputError(f"got {count} masks for {np.size(labels)} labels; expected as many")
        return with_pixels(labels, scores, pixels.figures())


def with_pixels(
    labels: npt.ArrayLike, scores: npt.ArrayLike, pixels: PixelFigures | None
) -> Metrics:
    """Return the figures of (n,) picture scores together with those of their pixels.

    Raises:
        InputError: if shapes do not fit, labels are not 0 or 1, or a score is not finite.
    """
    steps = image_steps(labels, scores)
    undefined = float("nan")
    return Metrics(
        i_auroc=auroc(steps) if steps else undefined,
        i_ap=average_precision(steps) if steps else undefined,
        i_f1=best_f1(steps) if steps else undefined,
        p_auroc=pixels.auroc if pixels else undefined,
        p_ap=pixels.ap if pixels else undefined,
        p_f1=pixels.f1 if pixels else undefined,
        pro=pixels.pro if pixels else undefined,
    )


def image_steps(labels: npt.ArrayLike, scores: npt.ArrayLike) -> Steps | None:
    """Return the counts over (n,) picture scores; None where a class is empty.

    Raises:
        InputError: if shapes do not fit, labels are not 0 or 1, or a score is not finite.
    """
    truth, values = _as_truth("labels", labels), np.asarray(scores, np.float64)
    if truth.ndim != 1 or values.shape != truth.shape:
        raise InputError(
            "scores and their labels must have the same shape with 1 dimension; "
            f"got {values.shape} and {truth.shape}"
        )
    if not np.isfinite(values).all():
        raise InputError("scores must be finite; got NaN or infinity")
    counted = count_steps(values[truth], [values[~truth]])
    return counted[0] if counted else None


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
