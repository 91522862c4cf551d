"""What users feel of a difference: scores, their order, decisions, and the task's figures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from res2clip_runtime.parity.answers import Answers
from res2clip_runtime.parity.pictures import JudgedPictures
from res2clip_runtime.parity.tolerances import SEPARATED_AUROC, Tolerance
from res2clip_runtime.threshold_steps import auroc, average_precision, count_steps

__all__ = ["FeltChange", "felt_change", "rank_correlation"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FeltChange:
    """Differences of one model's answers to the reference's; None where undefined."""

    verdicts: int
    """Pictures inspected end to end by both, each with the recipe it taught itself."""
    verdicts_changed: int
    """Decisions that differ, on pictures clear of the threshold by ``margin``."""
    verdicts_changed_near: int
    """Decisions that differ within ``margin``; reported only."""
    margin: float
    """In units of the score."""
    score_unit: float
    """Mean score of defective pictures minus that of good ones; unlabelled: largest - smallest."""
    score_change: float
    """Largest change of a score, in such units; NaN where a score is not finite."""
    rank_correlation: float | None
    """Spearman's, of both models' scores."""
    i_auroc: float | None
    """The reference's, 0..1."""
    i_auroc_points: float | None
    """Its change, in points (1 = 0.01)."""
    p_ap: float | None
    """The reference's, 0..1."""
    p_ap_points: float | None
    """Its change, in points."""
    judged: bool
    """Whether verdicts and P-AP judge; if not, cosines alone do."""
    why: str
    """The reason for that."""

    def failures(self, limits: Tolerance) -> tuple[str, ...]:
        """Return what is out of tolerance, one sentence each."""
        found = []
        if self.judged and self.verdicts_changed:
            found.append(f"{self.verdicts_changed} of {self.verdicts} verdicts changed")
        points = self.p_ap_points
        if self.judged and points is not None and not abs(points) <= limits.p_ap_points:
            found.append(f"P-AP changed by {points:+.2f} points, allowed {limits.p_ap_points}")
        if self.score_change != self.score_change:
            found.append("a score is not finite")
        return tuple(found)


def felt_change(
    reference: Answers, answers: Answers, pictures: JudgedPictures, limits: Tolerance
) -> FeltChange:
    """Return what users feel of the difference between two models' answers."""
    change = np.abs(answers.scores - reference.scores)
    unit = _score_unit(reference.scores, pictures.defective)
    margin = max(limits.max_abs or 0.0, limits.margin * unit)
    differs = _decisions(answers) != _decisions(reference)
    clear = np.abs(reference.scores - reference.threshold) > margin
    before, after = (_figures(side, pictures) for side in (reference, answers))
    judged, why = _judged(before[0], limits)
    return FeltChange(
        verdicts=len(change),
        verdicts_changed=int((differs & clear).sum()),
        verdicts_changed_near=int((differs & ~clear).sum()),
        margin=margin,
        score_unit=unit,
        score_change=float(change.max() / unit) if unit > 0 else float(change.max()),
        rank_correlation=rank_correlation(reference.scores, answers.scores),
        i_auroc=before[0],
        i_auroc_points=_points(before[0], after[0]),
        p_ap=before[1],
        p_ap_points=_points(before[1], after[1]),
        judged=judged,
        why=why,
    )


def rank_correlation(left: npt.NDArray[np.float64], right: npt.NDArray[np.float64]) -> float | None:
    """Return Spearman's correlation, ties at their mean rank; None where a side is constant."""
    if not (np.isfinite(left).all() and np.isfinite(right).all()):
        return None
    a, b = _ranks(left), _ranks(right)
    a, b = a - a.mean(), b - b.mean()
    norm = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / norm if norm > 0 else None


def _ranks(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(count) - (count - 1) / 2)[place]


def _score_unit(scores: npt.NDArray[np.float64], defective: npt.NDArray[np.bool_] | None) -> float:
    if defective is not None and defective.any() and not defective.all():
        return abs(float(scores[defective].mean() - scores[~defective].mean()))
    return float(np.ptp(scores))


def _decisions(answers: Answers) -> npt.NDArray[np.int8]:
    """Return 0 OK, 1 NG, -1 ERROR, as ``verdict.decide`` does."""
    decided = (answers.scores > answers.threshold).astype(np.int8)
    return np.where(np.isfinite(answers.scores), decided, np.int8(-1))


def _figures(answers: Answers, pictures: JudgedPictures) -> tuple[float | None, float | None]:
    """Return I-AUROC and P-AP; None where undefined."""
    if pictures.defective is None or not np.isfinite(answers.scores).all():
        return None, None
    counted = count_steps(answers.scores[pictures.defective], [answers.scores[~pictures.defective]])
    i_auroc = auroc(counted[0]) if counted else None
    if pictures.masks is None:
        return i_auroc, None
    counted = count_steps(answers.maps[pictures.masks], [answers.maps[~pictures.masks]])
    return i_auroc, average_precision(counted[0]) if counted else None


def _points(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else 100 * (after - before)


def _judged(i_auroc: float | None, limits: Tolerance) -> tuple[bool, str]:
    if limits.max_abs is not None:
        return True, "fp32 must answer the same, whatever the pictures"
    if i_auroc is None:
        return True, "the pictures carry no labels; verdicts are compared all the same"
    if i_auroc >= SEPARATED_AUROC:
        return True, f"in fp32 scores tell good from bad (I-AUROC {i_auroc:.2f})"
    return False, (
        f"in fp32 scores do not tell good from bad either (I-AUROC {i_auroc:.2f}, as with random "
        "weights), so verdicts prove nothing; cosines judge"
    )
