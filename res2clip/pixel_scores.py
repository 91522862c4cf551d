"""The pixel figures of a category whose maps do not fit into memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from res2clip.region_overlap import per_region_overlap, region_shares
from res2clip.scratch import scratch_error, scratch_file
from res2clip_runtime.closable import Closable
from res2clip_runtime.errors import InputError
from res2clip_runtime.threshold_steps import (
    Curves,
    Floats,
    auroc,
    average_precision,
    best_f1,
    count_steps,
    curves,
)

__all__ = ["PixelFigures", "PixelScores"]

_PIECE = 1 << 20
"""Pixels counted at a time."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PixelFigures:
    """What the maps say, 0..1."""

    auroc: float
    """Area under the ROC curve over all pixels."""
    ap: float
    """Average precision over all pixels."""
    f1: float
    """Best F1 over all thresholds."""
    pro: float
    """Per-region overlap, integrated to 0.3 and divided by it."""
    curves: Curves
    """ROC and precision-recall curve, to draw."""


class PixelScores(Closable):
    """Takes maps one by one; owns a temporary file, so close it or use ``with``.

    The scores of defective pixels stay in memory (12 bytes each), all others go to the file.
    """

    def __init__(self) -> None:
        """Begin without any map.

        Raises:
            OutputError: there is no place for a temporary file.
        """
        self._file = scratch_file()
        self._dtype: np.dtype[Any] | None = None
        self._positives: list[Floats] = []
        self._shares: list[npt.NDArray[np.float64]] = []
        self._regions = 0

    def add(self, anomaly_map: npt.NDArray[Any], mask: npt.NDArray[np.bool_]) -> None:
        """Take one picture's (H, W) map, and its (H, W) mask: True on defective pixels.

        Raises:
            InputError: shapes differ, or a value is not finite.
            OutputError: the disk is full.
        """
        if anomaly_map.ndim != 2 or mask.shape != anomaly_map.shape:
            raise InputError(
                "maps and their masks must have the same shape with 2 dimensions a picture; "
                f"got {anomaly_map.shape} and {mask.shape}"
            )
        scores = self._same_type(anomaly_map)
        if not np.isfinite(scores).all():
            raise InputError("maps must be finite; got NaN or infinity")
        shares, regions = region_shares(mask)
        self._regions += regions
        self._positives.append(scores[mask])
        self._shares.append(shares)
        try:
            self._file.write(scores[~mask].tobytes())
        except OSError as err:
            raise scratch_error(err) from err

    def figures(self) -> PixelFigures | None:
        """Return the figures of all maps so far; None where a class has no pixel.

        Raises:
            OutputError: the disk is full.
        """
        if not self._positives:
            return None
        weights = np.concatenate(self._shares) / max(self._regions, 1)
        counted = count_steps(np.concatenate(self._positives), self._negatives(), weights)
        if counted is None:
            return None
        steps, gained = counted
        return PixelFigures(
            auroc=auroc(steps),
            ap=average_precision(steps),
            f1=best_f1(steps),
            pro=per_region_overlap(steps, gained),
            curves=curves(steps),
        )

    def close(self) -> None:
        """Drop the file."""
        self._file.close()

    def _same_type(self, anomaly_map: npt.NDArray[Any]) -> Floats:
        """Return the scores in the type of the first map; whole numbers as float64."""
        if self._dtype is None:
            floating = np.issubdtype(anomaly_map.dtype, np.floating)
            self._dtype = anomaly_map.dtype if floating else np.dtype(np.float64)
        scores: Floats = anomaly_map.astype(self._dtype, copy=False)
        return scores

    def _negatives(self) -> Iterator[Floats]:
        try:
            self._file.flush()
            self._file.seek(0)
        except OSError as err:
            raise scratch_error(err) from err
        assert self._dtype is not None  # there are positives
        while (piece := np.fromfile(self._file, self._dtype, _PIECE)).size:
            yield piece
        self._file.seek(0, 2)
