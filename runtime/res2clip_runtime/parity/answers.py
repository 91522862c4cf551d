"""What a model says about the judged pictures, end to end, in its own arithmetic."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from res2clip_runtime.inspection import score_maps
from res2clip_runtime.parity.pictures import JudgedPictures
from res2clip_runtime.parity.sample_inputs import as_in_a_file
from res2clip_runtime.recipe import Recipe
from res2clip_runtime.score import Scored
from res2clip_runtime.stages import BranchMaps, FloatArray, Stages
from res2clip_runtime.teaching import teach

__all__ = ["Answers", "answer", "answers_of"]

Score: TypeAlias = Callable[[FloatArray, FloatArray], Scored]
"""Map and score of one picture's (3, G, G) maps and (2,) scores."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Answers:
    """Branch maps of the inspected pictures, and what follows from them."""

    branches: BranchMaps
    """Of the n inspected pictures, (n, 3, G, G) and (n, 2)."""
    threshold: float
    """Made by the same model from the teaching pictures."""
    scores: npt.NDArray[np.float64]
    """(n,) image scores."""
    maps: FloatArray
    """(n, S, S) anomaly maps."""


def answer(stages: Stages, pictures: JudgedPictures) -> Answers:
    """Return the model's answers; it teaches itself, as a line would with this bundle."""
    taught = teach(stages, pictures.teaching, product="parity").recipe
    recipe = dataclasses.replace(taught, bank=as_in_a_file(taught.bank))
    branches = [_branches(stages, square, recipe) for square in pictures.inspected]
    joined = BranchMaps(
        maps=np.concatenate([one.maps for one in branches]),
        scores=np.concatenate([one.scores for one in branches]),
    )
    threshold = recipe.thresholds[stages.spec.score_id].score
    return answers_of(joined, threshold, functools.partial(score_maps, stages))


def answers_of(branches: BranchMaps, threshold: float, score: Score) -> Answers:
    """Return the answers that follow from branch maps by a score stage."""
    scored = [score(m, s) for m, s in zip(branches.maps, branches.scores, strict=True)]
    return Answers(
        branches=branches,
        threshold=threshold,
        scores=np.array([one.image_score for one in scored]),
        maps=np.stack([one.anomaly_map for one in scored]),
    )


def _branches(stages: Stages, square: npt.NDArray[np.uint8], recipe: Recipe) -> BranchMaps:
    features = stages.encode(square[None])
    residual = stages.match(features.patches, recipe.bank, recipe.bank_rho)
    return stages.heads(features.patches[:, -1], residual, features.image, recipe.bank_global_mean)
