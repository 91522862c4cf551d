from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from drawn_parts import draw_part
from numpy_model import NumpyModel

from res2clip_runtime.errors import EncoderMismatchError, InputError
from res2clip_runtime.inspection import inspect
from res2clip_runtime.preprocess import load_rgb
from res2clip_runtime.recipe import Recipe
from res2clip_runtime.spec import sha256_hex
from res2clip_runtime.teaching import add_references, remove_references, teach

PARTS = [draw_part(seed) for seed in range(6)]


def assert_same_bank(first: Recipe, second: Recipe) -> None:
    np.testing.assert_array_equal(first.bank, second.bank)
    np.testing.assert_array_equal(first.bank_rho, second.bank_rho)
    np.testing.assert_array_equal(first.bank_global, second.bank_global)
    assert [r.sha256 for r in first.references] == [r.sha256 for r in second.references]


def test_bank_holds_every_patch_of_every_picture(model: NumpyModel) -> None:
    recipe = teach(model, PARTS[:3], product="washer").recipe
    patches = model.spec.patches
    assert recipe.bank.shape == (len(model.spec.taps), 3 * patches, model.spec.embed_dim)
    assert recipe.bank_rho.shape == (3 * patches,)
    assert recipe.bank_global.shape == (3, model.spec.embed_dim)
    np.testing.assert_allclose(np.linalg.norm(recipe.bank, axis=-1), 1, atol=1e-5)


def test_threshold_is_the_highest_score_of_a_part_judged_by_the_others(model: NumpyModel) -> None:
    recipe = teach(model, PARTS[:4], product="washer").recipe
    expected, peaks = [], []
    for index in range(4):
        others = PARTS[:index] + PARTS[index + 1 : 4]
        verdict = inspect(model, PARTS[index], teach(model, others, product="washer").recipe)
        assert verdict.anomaly_map is not None
        expected.append(verdict.score)
        peaks.append(verdict.anomaly_map.max())
    threshold = recipe.thresholds[model.spec.score_id]
    assert threshold.calibration_scores == pytest.approx(expected, abs=1e-5)
    assert threshold.score == max(threshold.calibration_scores)
    assert threshold.pixel == pytest.approx(max(peaks), abs=1e-5)
    assert not threshold.calibrated


def test_one_picture_gives_no_threshold(model: NumpyModel) -> None:
    assert not teach(model, PARTS[:1], product="washer").recipe.thresholds


def test_adding_equals_teaching_together(model: NumpyModel) -> None:
    together = teach(model, PARTS[:4], product="washer").recipe
    start = teach(model, PARTS[:3], product="washer").recipe
    added = add_references(model, start, PARTS[3:4]).recipe
    assert_same_bank(together, added)
    assert added.thresholds == together.thresholds
    assert [entry["what"] for entry in added.history] == [
        "taught 3 good picture(s)",
        "added 1 good picture(s)",
    ]


def test_removing_equals_never_having_taught_it(model: NumpyModel) -> None:
    without = teach(model, [PARTS[0], PARTS[2]], product="washer").recipe
    whole = teach(model, PARTS[:3], product="washer").recipe
    removed = remove_references(model, whole, ["picture-1"]).recipe
    assert_same_bank(without, removed)
    assert removed.thresholds == without.thresholds
    assert removed.history[-1]["what"] == "removed picture-1"


def test_reference_is_found_by_the_start_of_its_sha256(model: NumpyModel) -> None:
    recipe = teach(model, PARTS[:3], product="washer").recipe
    removed = remove_references(model, recipe, [recipe.references[0].sha256[:8]]).recipe
    assert [r.name for r in removed.references] == ["picture-1", "picture-2"]


@pytest.mark.parametrize("name", ["nobody.png", "", "0", "picture"])
def test_unknown_reference_lists_the_known_ones(model: NumpyModel, name: str) -> None:
    recipe = teach(model, PARTS[:2], product="washer").recipe
    with pytest.raises(InputError, match="the recipe holds: picture-0"):
        remove_references(model, recipe, [name])


def test_last_reference_cannot_be_removed(model: NumpyModel) -> None:
    recipe = teach(model, PARTS[:2], product="washer").recipe
    with pytest.raises(InputError, match="no reference would be left"):
        remove_references(model, recipe, ["picture-0", "picture-1"])


def test_names_and_hashes_are_those_of_the_files(model: NumpyModel, good: Path) -> None:
    paths = sorted(good.glob("*.png"))
    recipe = teach(model, paths, product="washer").recipe
    assert [r.name for r in recipe.references] == [path.name for path in paths]
    assert [r.sha256 for r in recipe.references] == [sha256_hex(p.read_bytes()) for p in paths]


def test_references_are_kept_as_pictures(model: NumpyModel, tmp_path: Path) -> None:
    recipe = teach(model, PARTS[:1], product="washer").recipe
    (tmp_path / "a.png").write_bytes(recipe.references[0].png)
    size = model.spec.image_size_px
    assert load_rgb(tmp_path / "a.png").shape == (size, size, 3)


def test_same_picture_twice_is_refused(model: NumpyModel) -> None:
    with pytest.raises(InputError, match="picture-1 is the same picture as picture-0"):
        teach(model, [PARTS[0], PARTS[0]], product="washer")


def test_picture_that_is_there_already_is_not_added(model: NumpyModel) -> None:
    recipe = teach(model, PARTS[:2], product="washer").recipe
    with pytest.raises(InputError, match="is the same picture as picture-1"):
        add_references(model, recipe, [PARTS[1]])


def test_recipe_of_another_encoder_is_refused(model: NumpyModel, recipe: Recipe) -> None:
    other = NumpyModel(seed=1)
    for change in (
        lambda: add_references(other, recipe, PARTS[4:]),
        lambda: remove_references(other, recipe, ["picture-0"]),
        lambda: inspect(other, PARTS[0], recipe),
    ):
        with pytest.raises(EncoderMismatchError, match="belongs to encoder"):
            change()


def test_no_pictures_and_no_name_are_refused(model: NumpyModel) -> None:
    with pytest.raises(InputError, match="no pictures"):
        teach(model, [], product="washer")
    with pytest.raises(InputError, match="--product"):
        teach(model, PARTS[:1], product="  ")


def test_defective_reference_is_doubted(model: NumpyModel) -> None:
    taught = teach(model, [*PARTS[:5], draw_part(9, scratched=True)], product="washer")
    assert [doubt.name for doubt in taught.doubts] == ["picture-5"]
    assert "unlike the other good parts" in taught.doubts[0].message


def test_progress_is_told_after_every_picture(model: NumpyModel) -> None:
    told: list[tuple[int, int]] = []
    teach(model, PARTS[:3], product="washer", progress=lambda *now: told.append(now))
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_arguments_are_not_changed(model: NumpyModel, recipe: Recipe) -> None:
    before = recipe.bank.copy()
    add_references(model, recipe, PARTS[4:])
    remove_references(model, recipe, ["picture-0"])
    np.testing.assert_array_equal(recipe.bank, before)
    assert dataclasses.replace(recipe).describe() == recipe.describe()
