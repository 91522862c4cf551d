"""Scores and maps of a category's test pictures, one by one, against the truth about them."""

from __future__ import annotations

import math

import numpy as np

from res2clip.datasets import Category, Sample, load_mask
from res2clip.metrics import Metrics, with_pixels
from res2clip.pixel_scores import PixelFigures, PixelScores
from res2clip_runtime.closable import Closable
from res2clip_runtime.stages import FloatArray

__all__ = ["Measurement"]


class Measurement(Closable):
    """Owns a temporary file where there are masks, so close it or use ``with``."""

    def __init__(self, category: Category) -> None:
        """Begin without pictures; pixel figures need a mask for every defective test picture.

        Raises:
            OutputError: there is no place for a temporary file.
        """
        defective = [sample for sample in category.test if sample.defective]
        has_masks = bool(defective) and all(sample.mask for sample in defective)
        self._pixels = PixelScores() if has_masks else None
        self._labels: list[bool] = []
        self._scores: list[float] = []

    def add(self, sample: Sample, score: float, anomaly_map: FloatArray | None) -> None:
        """Take a picture's score and (S, S) map; one without a finite score is left out.

        Raises:
            InputError: the mask cannot be read, or the map is not finite.
            OutputError: the disk is full.
        """
        if not math.isfinite(score):
            return
        self._labels.append(sample.defective)
        self._scores.append(score)
        if self._pixels is not None and anomaly_map is not None:
            size = anomaly_map.shape[0]
            mask = load_mask(sample.mask, size) if sample.mask else np.zeros((size, size), np.bool_)
            self._pixels.add(anomaly_map, mask)

    def result(self) -> tuple[Metrics, PixelFigures | None]:
        """Return the seven figures, and what is behind those of the pixels.

        Raises:
            OutputError: the disk is full.
        """
        pixels = self._pixels.figures() if self._pixels else None
        return with_pixels(self._labels, self._scores, pixels), pixels

    def close(self) -> None:
        """Drop the maps."""
        if self._pixels:
            self._pixels.close()
