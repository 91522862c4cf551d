"""Thresholds given by hand, in place of the recipe's own, and what to know before trusting one."""

from __future__ import annotations

import dataclasses
import math

from res2clip_runtime.errors import InputError
from res2clip_runtime.recipe import Recipe, Threshold
from res2clip_runtime.spec import MethodSpec

__all__ = ["threshold_doubts", "with_given_thresholds"]


def with_given_thresholds(
    recipe: Recipe, spec: MethodSpec, *, score: float | None = None, pixel: float | None = None
) -> Recipe:
    """Return the recipe with its thresholds under ``spec`` replaced by the ones that are given.

    Args:
        recipe: stays as it is where nothing is given.
        spec: the model that will score.
        score: highest image score that is OK.
        pixel: highest anomaly-map value that is normal; decides only what is outlined.

    Raises:
        InputError: a threshold is not finite, or only ``pixel`` is given and the recipe has none.
    """
    if score is None and pixel is None:
        return recipe
    for option, value in (("--threshold", score), ("--pixel-threshold", pixel)):
        if value is not None and not math.isfinite(value):
            raise InputError(f"{option} is {value}; give a finite number")
    own = recipe.thresholds.get(spec.score_id)
    if score is None:
        if own is None:
            raise InputError(
                "--pixel-threshold only decides what is outlined, and the recipe holds no "
                "threshold for this model; give --threshold as well"
            )
        return recipe.with_threshold(spec.score_id, dataclasses.replace(own, pixel=pixel))
    given = Threshold(
        score=score, pixel=own.pixel if pixel is None and own else pixel, source="given"
    )
    return recipe.with_threshold(spec.score_id, given)


def threshold_doubts(recipe: Recipe, score_id: str) -> list[str]:
    """Return what a person should know of the threshold before trusting a verdict."""
    doubts = []
    threshold = recipe.thresholds.get(score_id)
    if threshold is None:
        doubts.append(
            f"the recipe of '{recipe.product}' holds no threshold for this model, so every verdict "
            "will be ERROR; the scores help to choose one for --threshold"
        )
    elif not threshold.calibrated:
        doubts.append(
            f"the threshold {threshold.score:.4g} is uncalibrated ({threshold.source}): it "
            "promises no false-alarm rate"
        )
    if threshold is not None and threshold.pixel is None:
        doubts.append(
            "there is no pixel threshold, so no regions and no heat map; give --pixel-threshold"
        )
    return doubts
