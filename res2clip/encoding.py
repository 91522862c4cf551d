"""From picture files to features."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np

from res2clip_runtime.preprocess import to_square
from res2clip_runtime.stages import Features, Stages

__all__ = ["PICTURES_AT_ONCE", "FeaturesOf", "encode_files"]

FeaturesOf: TypeAlias = Callable[[Sequence[Path]], Features]
"""Features of picture files, in their order: from a cache, or encoded on the spot."""

PICTURES_AT_ONCE = 4
"""ViT-B/16 on two cores takes 0.85 s a picture one by one, 0.54 s by four, 0.52 s by eight."""


def encode_files(stages: Stages, paths: Sequence[Path]) -> Features:
    """Return the features of picture files, in their order; a few are encoded at once.

    Raises:
        InputError: a picture cannot be used; names it.
    """
    size = stages.spec.image_size_px
    groups = [paths[i : i + PICTURES_AT_ONCE] for i in range(0, len(paths), PICTURES_AT_ONCE)]
    parts = [stages.encode(np.stack([to_square(p, size) for p in group])) for group in groups]
    return Features(
        patches=np.concatenate([part.patches for part in parts]),
        image=np.concatenate([part.image for part in parts]),
    )
