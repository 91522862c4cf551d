"""The reference's answers, as the samples keep them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from res2clip_runtime.parity.answers import answer
from res2clip_runtime.parity.pictures import TEACHING, JudgedPictures
from res2clip_runtime.parity.sample_inputs import kept_positions, scattered, small_bank
from res2clip_runtime.parity.samples import ParitySamples, StageSamples
from res2clip_runtime.stages import BranchMaps, Features, FloatArray, Stages, mean_direction

__all__ = ["heads_kept", "match_kept", "record_samples"]


def record_samples(reference: Stages, pictures: JudgedPictures) -> ParitySamples:
    """Return what the reference answers on ``pictures``."""
    answers = answer(reference, pictures)
    squares = np.stack([*pictures.teaching, pictures.squares[-1]])
    features = [reference.encode(square[None]) for square in squares]
    positions = kept_positions(reference.spec)
    kept = Features(
        patches=np.concatenate([one.patches[:, :, positions] for one in features]),
        image=np.concatenate([one.image for one in features]),
    )
    return ParitySamples(
        pictures=pictures,
        stages=_run_stages(reference, kept, positions),
        branches=answers.branches,
        threshold=answers.threshold,
    )


def _run_stages(stages: Stages, kept: Features, positions: npt.NDArray[np.int64]) -> StageSamples:
    residual = match_kept(stages, kept, positions)
    return StageSamples(
        positions=positions,
        patches=kept.patches,
        image=kept.image,
        residual=residual,
        branches=heads_kept(stages, kept, positions, residual),
    )


def match_kept(stages: Stages, kept: Features, positions: npt.NDArray[np.int64]) -> FloatArray:
    """Return (T, K, D): residuals of the last picture's kept patches against the others'."""
    query = scattered(kept.patches[-1], positions, stages.spec.patches)
    bank = small_bank(kept.patches[:TEACHING], positions, stages.spec.grid)
    return stages.match(query, *bank)[0][:, positions]


def heads_kept(
    stages: Stages, kept: Features, positions: npt.NDArray[np.int64], residual: FloatArray
) -> BranchMaps:
    """Return the branch maps of the last picture's kept patches and their (T, K, D) residuals."""
    patches = stages.spec.patches
    return stages.heads(
        scattered(kept.patches[-1], positions, patches)[:, -1],
        scattered(residual, positions, patches),
        kept.image[-1:],
        mean_direction(kept.image[:TEACHING]),
    )
