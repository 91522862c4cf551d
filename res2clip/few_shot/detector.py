"""What is compared: anything that scores pictures beside a few good ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from res2clip.encoding import FeaturesOf
from res2clip_runtime.score import Scored
from res2clip_runtime.stages import Stages, grid_rho, mean_direction
from res2clip_runtime.teaching import score_against

__all__ = ["Detector", "StagesDetector"]


class Detector(Protocol):
    """A way to find defects with good pictures alone."""

    def inspect(self, pictures: Sequence[Path], references: Sequence[Path]) -> Iterator[Scored]:
        """Yield score and square map of each picture, taught with ``references``."""


class StagesDetector:
    """A model's stages, fed with stored features: the encoder is not asked again."""

    def __init__(self, stages: Stages, features: FeaturesOf) -> None:
        """Inspect with ``stages``; ``features`` must be those of the same encoder."""
        self._stages = stages
        self._features = features

    def inspect(self, pictures: Sequence[Path], references: Sequence[Path]) -> Iterator[Scored]:
        """Yield score and map of each picture, as teaching and inspecting it would give them.

        Raises:
            InputError: a picture cannot be used; names it.
        """
        good = self._features(references)
        taps, patches, width = good.patches.shape[1:]
        rows = len(references) * patches
        bank = np.moveaxis(good.patches, 1, 0).reshape(taps, rows, width)  # (T, N, D)
        bank_rho = np.tile(grid_rho(self._stages.spec.grid), len(references))
        bank_global_mean = mean_direction(good.image)
        del good
        for path in pictures:
            features = self._features([path])
            yield score_against(
                self._stages,
                features.patches[0],
                features.image[0],
                bank=bank,
                bank_rho=bank_rho,
                bank_global_mean=bank_global_mean,
            )
