"""Two models side by side, stage by stage."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from res2clip_runtime.parity.comparison import SEEDED, Comparison, compare
from res2clip_runtime.preprocess import PictureU8
from res2clip_runtime.stages import FloatArray, Stages, grid_rho, mean_direction

__all__ = ["STAGE_PICTURES", "compare_stages", "noise_pictures", "spread"]

STAGE_PICTURES = 6
"""Pictures in the stage by stage comparison; verdicts are compared on all."""


def noise_pictures(size_px: int, *, seed: int = 0) -> PictureU8:
    """Return (3, S, S, 3) uint8 noise."""
    shape = (3, size_px, size_px, 3)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def spread(pictures: Sequence[PictureU8]) -> PictureU8:
    """Return a batch of at most ``STAGE_PICTURES``, evenly spread: its memory grows squared."""
    count = min(len(pictures), STAGE_PICTURES)
    return np.stack([pictures[i] for i in np.linspace(0, len(pictures) - 1, count).astype(int)])


def compare_stages(
    reference: Stages, exported: Stages, pictures: PictureU8, kind: str = SEEDED
) -> list[Comparison]:
    """Return how far ``exported`` is from ``reference`` on (n, S, S, 3) uint8 pictures.

    Every stage gets the reference's inputs, so that an error shows where it is made.
    """
    found = []

    def add(stage: str, output: str, expected: FloatArray, actual: FloatArray) -> None:
        found.append(compare(stage, output, kind, expected, actual))

    want, got = reference.encode(pictures), exported.encode(pictures)
    add("encoder", "patches", want.patches, got.patches)
    add("encoder", "image_feature", want.image, got.image)
    for shots in sorted({1, len(pictures) - 1}):
        # The first picture is the query, the others are the bank, as the taps' (T, N, D).
        bank = np.concatenate(list(want.patches[1 : 1 + shots]), axis=1)
        rho = np.tile(grid_rho(reference.spec.grid), shots)
        residual = reference.match(want.patches, bank, rho)
        matched = exported.match(want.patches, bank, rho)
        add("match", f"residual ({shots} shot)", residual, matched)
    inputs = (want.patches[:, -1], residual, want.image, mean_direction(want.image[1:]))
    want_maps, got_maps = reference.heads(*inputs), exported.heads(*inputs)
    add("heads", "maps", want_maps.maps, got_maps.maps)
    add("heads", "scores", want_maps.scores, got_maps.scores)
    return found
