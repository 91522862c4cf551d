"""A model that remembers the features of known pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from res2clip.feature_source import FeatureSource
from res2clip_runtime.errors import InputError
from res2clip_runtime.preprocess import PictureU8, to_square
from res2clip_runtime.spec import MethodSpec, sha256_hex
from res2clip_runtime.stages import BranchMaps, Features, FloatArray, Stages

__all__ = ["RecalledStages"]


class RecalledStages:
    """Stages whose encoder is only asked about pictures it has not seen.

    Teaching and inspecting hand over pixels, stored features are found by file: the pixels' hash
    leads from one to the other.
    """

    def __init__(self, stages: Stages, source: FeatureSource, paths: Sequence[Path]) -> None:
        """Answer for ``paths`` from ``source``; files that cannot be read are left out."""
        self._stages = stages
        self._source = source
        self._file: dict[str, Path] = {}
        for path in paths:
            try:
                self._file[_digest(to_square(path, stages.spec.image_size_px))] = path
            except InputError:
                continue

    @property
    def spec(self) -> MethodSpec:
        """The method's constants of the model."""
        return self._stages.spec

    def encode(self, images: PictureU8) -> Features:
        """Return the features of (B, S, S, 3) uint8 RGB pictures."""
        paths = [self._file.get(_digest(image)) for image in images]
        known = [path for path in paths if path is not None]
        return self._source.features(known) if known == paths else self._stages.encode(images)

    def match(self, patches: FloatArray, bank: FloatArray, bank_rho: FloatArray) -> FloatArray:
        """Return (B, T, P, D) residuals of (B, T, P, D) patches against a (T, N, D) bank."""
        return self._stages.match(patches, bank, bank_rho)

    def heads(
        self,
        last_patches: FloatArray,
        residual: FloatArray,
        image_feature: FloatArray,
        bank_global_mean: FloatArray,
    ) -> BranchMaps:
        """Return the branch maps of (B, P, D) last-tap patches, residuals, (B, D) and (D,)."""
        return self._stages.heads(last_patches, residual, image_feature, bank_global_mean)


def _digest(image: PictureU8) -> str:
    return sha256_hex(np.ascontiguousarray(image).data)
