from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from drawn_parts import draw_part
from numpy_model import NumpyModel

from res2clip_runtime.errors import InputError
from res2clip_runtime.inspection import error_verdict, inspect
from res2clip_runtime.recipe import Recipe, Threshold
from res2clip_runtime.stages import BranchMaps
from res2clip_runtime.verdict import Decision, decide


def test_good_part_is_ok_and_scratched_one_is_not(model: NumpyModel, recipe: Recipe) -> None:
    assert inspect(model, draw_part(10), recipe).decision is Decision.OK
    assert inspect(model, draw_part(10, scratched=True), recipe).decision is Decision.NG


def test_region_lies_on_the_scratch(model: NumpyModel, recipe: Recipe) -> None:
    size = (400, 300)
    verdict = inspect(model, draw_part(11, size_px=size, scratched=True), recipe)
    worst = verdict.regions[0]
    assert verdict.source_size_px == size
    assert worst.left < 175 < worst.left + worst.width
    assert worst.top < 72 < worst.top + worst.height
    assert worst.width < 300


def test_verdict_carries_everything_a_line_needs(model: NumpyModel, recipe: Recipe) -> None:
    verdict = inspect(model, draw_part(10), recipe, frame_id="7", captured_at="then")
    threshold = recipe.thresholds[model.spec.score_id]
    assert (verdict.frame_id, verdict.captured_at, verdict.product) == ("7", "then", "washer")
    assert (verdict.threshold, verdict.pixel_threshold) == (threshold.score, threshold.pixel)
    assert list(verdict.latency_ms) == ["preprocess", "encoder", "match", "heads", "score"]
    assert verdict.anomaly_map is not None
    assert verdict.anomaly_map.shape == (model.spec.image_size_px,) * 2
    assert verdict.decided_at.endswith("+00:00")


def test_frame_is_named_after_its_file(model: NumpyModel, recipe: Recipe, good: Path) -> None:
    assert inspect(model, good / "002.png", recipe).frame_id == "002.png"


def test_recipe_without_threshold_decides_nothing(model: NumpyModel, recipe: Recipe) -> None:
    verdict = inspect(model, draw_part(10), dataclasses.replace(recipe, thresholds={}))
    assert verdict.decision is Decision.ERROR
    assert np.isfinite(verdict.score)
    assert "--threshold" in verdict.reason


def test_threshold_of_another_model_is_void(model: NumpyModel, recipe: Recipe) -> None:
    other = {"other": Threshold(score=9.0, pixel=None, source="given")}
    verdict = inspect(model, draw_part(10), dataclasses.replace(recipe, thresholds=other))
    assert verdict.decision is Decision.ERROR
    assert "another model" in verdict.reason


def test_picture_that_cannot_be_used_is_an_error(model: NumpyModel, recipe: Recipe) -> None:
    with pytest.raises(InputError):
        inspect(model, np.zeros((8, 8, 3), dtype=np.uint8), recipe)


def test_damaged_model_never_says_ok(recipe: Recipe) -> None:
    class Damaged(NumpyModel):
        def heads(self, *arrays: np.ndarray) -> BranchMaps:
            branches = super().heads(*arrays)
            return BranchMaps(branches.maps * np.float32(np.nan), branches.scores)

    verdict = inspect(Damaged(), draw_part(10), recipe)
    assert verdict.decision is Decision.ERROR
    json.dumps(verdict.to_json(), allow_nan=False)


@pytest.mark.parametrize(
    ("score", "threshold", "decision"),
    [
        (0.4, 0.5, Decision.OK),
        (0.5, 0.5, Decision.OK),
        (0.500001, 0.5, Decision.NG),
        (float("nan"), 0.5, Decision.ERROR),
        (float("inf"), 0.5, Decision.ERROR),
        (float("-inf"), 0.5, Decision.ERROR),
        (0.4, None, Decision.ERROR),
        (0.4, float("nan"), Decision.ERROR),
        (0.4, float("inf"), Decision.ERROR),
    ],
)
def test_only_a_finite_score_within_a_finite_threshold_is_ok(
    score: float, threshold: float | None, decision: Decision
) -> None:
    found, reason = decide(score, threshold)
    assert found is decision
    assert bool(reason) == (decision is Decision.ERROR)


def test_error_verdict_is_valid_json_without_a_score() -> None:
    values = error_verdict("a.png", "washer", "broken").to_json()
    text = json.dumps(values, allow_nan=False)
    assert json.loads(text)["score"] is None
    assert json.loads(text)["decision"] == "ERROR"
