from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from drawn_parts import draw_part, save_parts
from numpy_model import NumpyModel
from PIL import Image

from res2clip_runtime.errors import (
    BackendError,
    EncoderMismatchError,
    InputError,
    OutputError,
)
from res2clip_runtime.recipe import Recipe, Threshold
from res2clip_runtime.run import run
from res2clip_runtime.sources import Frame, open_source
from res2clip_runtime.stages import Features
from res2clip_runtime.teaching import teach
from res2clip_runtime.threshold_choice import with_given_thresholds
from res2clip_runtime.verdict import Decision, Verdict


class Kept:
    """A sink that keeps what it is given."""

    def __init__(self) -> None:
        self.taken: list[tuple[Verdict, np.ndarray | None]] = []

    def write(self, verdict: Verdict, picture: np.ndarray | None) -> None:
        self.taken.append((verdict, picture))

    def close(self) -> None: ...


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Two good parts, a picture that is none, one too small, two scratched parts."""
    folder = save_parts(tmp_path / "mixed", 2, first_seed=10)
    (folder / "100.png").write_bytes(b"junk")
    Image.new("RGB", (8, 8)).save(folder / "101.png")
    return save_parts(folder, 2, first_seed=200, scratched=True)


def test_broken_picture_is_an_error_and_the_run_goes_on(
    model: NumpyModel, recipe: Recipe, mixed: Path
) -> None:
    sink = Kept()
    verdicts = list(run(model, recipe, open_source(str(mixed)), sinks=[sink]))
    assert [v.decision.value for v in verdicts] == ["OK", "OK", "ERROR", "ERROR", "NG", "NG"]
    assert "100.png" in verdicts[2].reason
    assert "smaller than 32 px" in verdicts[3].reason
    assert [taken for taken, _ in sink.taken] == verdicts
    assert [picture is None for _, picture in sink.taken] == [
        False,
        False,
        True,
        True,
        False,
        False,
    ]


def test_reading_is_timed_as_a_stage_of_its_own(
    model: NumpyModel, recipe: Recipe, mixed: Path
) -> None:
    first = next(iter(run(model, recipe, open_source(str(mixed)))))
    assert next(iter(first.latency_ms)) == "read"
    assert first.source_size_px == (96, 80)


def test_failing_engine_is_an_error_for_every_picture(recipe: Recipe, mixed: Path) -> None:
    class Failing(NumpyModel):
        def encode(self, images: np.ndarray) -> Features:
            raise BackendError("the device is gone")

    sink = Kept()
    verdicts = list(run(Failing(), recipe, open_source(str(mixed)), sinks=[sink]))
    assert {v.decision for v in verdicts} == {Decision.ERROR}
    assert verdicts[0].reason == "the device is gone"
    assert sink.taken[0][1] is not None


def test_limit_ends_the_run(model: NumpyModel, recipe: Recipe, mixed: Path) -> None:
    assert len(list(run(model, recipe, open_source(str(mixed)), limit=3))) == 3


def test_stop_ends_the_run_after_the_picture_in_hand(
    model: NumpyModel, recipe: Recipe, mixed: Path
) -> None:
    done: list[Verdict] = []
    for verdict in run(model, recipe, open_source(str(mixed)), stop=lambda: len(done) >= 2):
        done.append(verdict)
    assert len(done) == 2


def test_recipe_of_another_encoder_ends_the_run_before_its_first_picture(
    recipe: Recipe, mixed: Path
) -> None:
    with pytest.raises(EncoderMismatchError):
        next(iter(run(NumpyModel(seed=1), recipe, open_source(str(mixed)))))


def test_result_that_cannot_be_written_ends_the_run(
    model: NumpyModel, recipe: Recipe, mixed: Path
) -> None:
    class Full(Kept):
        def write(self, verdict: Verdict, picture: np.ndarray | None) -> None:
            raise OutputError(28, "full")

    with pytest.raises(OutputError):
        list(run(model, recipe, open_source(str(mixed)), sinks=[Full()]))


def test_given_threshold_replaces_the_recipes(model: NumpyModel, recipe: Recipe) -> None:
    own = recipe.thresholds[model.spec.score_id]
    changed = with_given_thresholds(recipe, model.spec, score=9.0)
    found = changed.thresholds[model.spec.score_id]
    assert (found.score, found.pixel, found.source, found.calibrated) == (
        9.0, own.pixel, "given", False
    )  # fmt: skip


def test_given_pixel_threshold_leaves_the_decision_alone(model: NumpyModel, recipe: Recipe) -> None:
    own = recipe.thresholds[model.spec.score_id]
    changed = with_given_thresholds(recipe, model.spec, pixel=0.9)
    assert changed.thresholds[model.spec.score_id] == dataclasses.replace(own, pixel=0.9)


def test_nothing_given_changes_nothing(model: NumpyModel, recipe: Recipe) -> None:
    assert with_given_thresholds(recipe, model.spec) is recipe


def test_threshold_is_given_to_a_recipe_that_has_none(model: NumpyModel, recipe: Recipe) -> None:
    bare = dataclasses.replace(recipe, thresholds={})
    changed = with_given_thresholds(bare, model.spec, score=0.5)
    expected = Threshold(score=0.5, pixel=None, source="given")
    assert changed.thresholds == {model.spec.score_id: expected}
    with pytest.raises(InputError, match="give --threshold as well"):
        with_given_thresholds(bare, model.spec, pixel=0.5)


@pytest.mark.parametrize("option", ["score", "pixel"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_threshold_that_is_no_number_is_refused(
    model: NumpyModel, recipe: Recipe, option: str, value: float
) -> None:
    with pytest.raises(InputError, match="finite"):
        with_given_thresholds(recipe, model.spec, **{option: value})


def test_array_frames_go_the_same_way_as_files(model: NumpyModel, recipe: Recipe) -> None:
    frames = [Frame(frame_id="camera0#000000", image=draw_part(10), captured_at="now")]
    (verdict,) = run(model, recipe, frames)
    assert (verdict.frame_id, verdict.captured_at) == ("camera0#000000", "now")
    assert verdict.decision is Decision.OK


def test_a_defect_of_ours_on_one_picture_is_an_error_and_the_run_goes_on(tmp_path: Path) -> None:
    class Flawed(NumpyModel):
        calls = 0

        def match(self, *arguments):
            self.calls += 1
            if self.calls == 1:
                raise IndexError("a defect")
            return super().match(*arguments)

    paths = sorted(save_parts(tmp_path, 3).glob("*.png"))
    recipe = with_given_thresholds(
        teach(NumpyModel(), paths[:1], product="p").recipe, NumpyModel().spec, score=9.0, pixel=None
    )
    with open_source(str(tmp_path)) as source:
        verdicts = list(run(Flawed(), recipe, source))
    assert [v.decision for v in verdicts] == [Decision.ERROR, Decision.OK, Decision.OK]
    assert verdicts[0].reason == "a defect"
