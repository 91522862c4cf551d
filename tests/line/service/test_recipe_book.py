"""Several recipes warm, changed files read anew, nothing half-read ever used."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from drawn_parts import draw_part

from res2clip_runtime.errors import ArtefactError, InputError, OutputError
from res2clip_runtime.inspector import Inspector
from res2clip_runtime.recipe import Recipe
from res2clip_runtime.service.recipe_book import RecipeBook
from res2clip_runtime.service.recipe_file import RecipeFile


@pytest.fixture
def file(recipe_file: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(recipe_file, tmp_path / "own.recipe.safetensors"))


def test_only_product_is_chosen_by_itself_and_of_several_none(
    inspector: Inspector, recipe_file: Path, nut_file: Path
) -> None:
    one = RecipeBook([RecipeFile(file=recipe_file)], inspector.stages)
    two = RecipeBook([RecipeFile(file=recipe_file), RecipeFile(file=nut_file)], inspector.stages)
    assert (one.product, two.product) == ("washer", "")
    assert two.products == ("washer", "nut")
    assert two.recipe_id == ""


def test_choice_of_an_unknown_product_is_refused_and_changes_nothing(
    inspector: Inspector, recipe_file: Path, nut_file: Path
) -> None:
    book = RecipeBook(
        [RecipeFile(file=recipe_file), RecipeFile(file=nut_file)], inspector.stages, product="nut"
    )
    with pytest.raises(InputError, match="no recipe of the product 'bolt'; there are: washer, nut"):
        book.choose("bolt")
    assert book.product == "nut"


def test_camera_has_its_own_recipe_and_the_others_the_common_one(
    inspector: Inspector, recipe_file: Path
) -> None:
    book = RecipeBook(
        [
            RecipeFile(file=recipe_file),
            RecipeFile(file=recipe_file, camera="side", threshold=0.9),
        ],
        inspector.stages,
    )
    score_id = inspector.spec.score_id
    assert book.find("washer", "side").thresholds[score_id].score == 0.9
    assert book.find("washer", "top").thresholds[score_id].score < 0.9


def test_two_recipes_for_the_same_are_refused(inspector: Inspector, recipe_file: Path) -> None:
    with pytest.raises(InputError, match="two recipes are for the product 'washer'"):
        RecipeBook([RecipeFile(file=recipe_file)] * 2, inspector.stages)


def test_recipe_of_another_encoder_is_refused(
    inspector: Inspector, washer: Recipe, tmp_path: Path
) -> None:
    import dataclasses

    other = dataclasses.replace(washer, encoder_id="f" * 64)
    other.save(tmp_path / "other.recipe.safetensors")
    with pytest.raises(ArtefactError, match="encoder"):
        RecipeBook([RecipeFile(file=tmp_path / "other.recipe.safetensors")], inspector.stages)


def test_file_taught_anew_is_read(inspector: Inspector, file: Path) -> None:
    book = RecipeBook([RecipeFile(file=file)], inspector.stages)
    before = book.recipe_id
    inspector.teach([draw_part(s) for s in range(6)], product="washer").save(file)
    book.reload()
    assert len(book.find("washer", "top").references) == 6
    assert book.recipe_id != before


@pytest.mark.parametrize("damage", ["truncated", "gone", "other product"])
def test_file_that_cannot_be_used_leaves_the_old_recipe(
    inspector: Inspector, file: Path, nut_file: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    book = RecipeBook([RecipeFile(file=file)], inspector.stages)
    before = book.find("washer", "top")
    if damage == "truncated":
        os.truncate(file, file.stat().st_size // 2)
    elif damage == "gone":
        file.unlink()
    else:
        shutil.copy(nut_file, file)
    book.reload()
    book.reload()
    assert book.find("washer", "top") is before
    assert caplog.text.count("the one loaded before stays in use") == 1


def test_file_that_was_mended_is_read(inspector: Inspector, file: Path, recipe_file: Path) -> None:
    book = RecipeBook([RecipeFile(file=file)], inspector.stages)
    whole = recipe_file.read_bytes()
    file.write_bytes(whole[:1000])
    book.reload()
    file.write_bytes(whole)
    before = book.find("washer", "top")
    book.reload()
    assert book.find("washer", "top") is not before


def test_file_with_the_recipe_of_another_product_of_the_line_changes_neither(
    inspector: Inspector, file: Path, nut_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = [RecipeFile(file=file), RecipeFile(file=nut_file)]
    book = RecipeBook(files, inspector.stages, product="nut")
    before = [book.find(product, "top") for product in book.products]
    inspector.teach([draw_part(seed) for seed in range(6)], product="nut").save(file)
    book.reload()
    assert [book.find(product, "top") for product in book.products] == before
    assert "its product is 'nut' now and was 'washer'" in caplog.text


def test_file_of_two_cameras_is_read_anew_for_both(inspector: Inspector, file: Path) -> None:
    book = RecipeBook([RecipeFile(file=file, camera=name) for name in "ab"], inspector.stages)
    inspector.teach([draw_part(seed) for seed in range(6)], product="washer").save(file)
    book.reload()
    assert [len(book.find("washer", name).references) for name in "ab"] == [6, 6]


def test_product_taught_while_the_line_runs_is_saved_and_can_be_chosen(
    inspector: Inspector, washer: Recipe, tmp_path: Path
) -> None:
    book = RecipeBook([], inspector.stages)
    assert (book.products, book.product, list(book.listed())) == ((), "", [])
    with pytest.raises(InputError, match="no recipe of the product 'washer'; there is none"):
        book.choose("washer")
    file = book.add(washer, folder=tmp_path / "recipes")
    assert file == tmp_path / "recipes" / "washer.recipe.safetensors"
    assert Recipe.load(file).describe() == washer.describe()
    book.choose("washer")
    assert book.find("washer", "any") is not None
    assert book.recipe_id
    assert [one.recipe.product for one in book.listed()] == ["washer"]


def test_known_product_is_replaced_only_when_asked_and_keeps_its_file(
    inspector: Inspector, file: Path, tmp_path: Path
) -> None:
    book = RecipeBook([RecipeFile(file=file)], inspector.stages)
    anew = inspector.teach([draw_part(seed) for seed in range(6)], product="washer")
    with pytest.raises(InputError, match="there is a recipe of 'washer' already"):
        book.add(anew, folder=tmp_path / "recipes")
    assert len(Recipe.load(file).references) == 4
    assert book.add(anew, folder=tmp_path / "recipes", replace=True) == file
    assert len(Recipe.load(file).references) == len(book.find("washer", "").references) == 6
    assert not (tmp_path / "recipes").exists()


@pytest.mark.parametrize("product", ["../../washer", "a/b", "a_b", ".hidden", "x" * 200])
def test_file_of_a_taught_product_lies_in_the_folder_whatever_it_is_called(
    inspector: Inspector, washer: Recipe, tmp_path: Path, product: str
) -> None:
    import dataclasses

    book = RecipeBook([], inspector.stages)
    folder = tmp_path / "recipes"
    first = book.add(dataclasses.replace(washer, product="a b"), folder=folder)
    second = book.add(dataclasses.replace(washer, product=product), folder=folder)
    assert first.parent == second.parent == folder
    assert first != second
    assert [Recipe.load(f).product for f in (first, second)] == ["a b", product]


def test_recipe_that_cannot_be_saved_changes_nothing(
    inspector: Inspector, washer: Recipe, tmp_path: Path
) -> None:
    book = RecipeBook([], inspector.stages)
    (tmp_path / "recipes").write_text("no folder")
    with pytest.raises(OutputError, match="cannot write"):
        book.add(washer, folder=tmp_path / "recipes")
    assert book.products == ()


def test_threshold_is_saved_with_who_set_it_and_used_at_once(
    inspector: Inspector, file: Path
) -> None:
    book = RecipeBook([RecipeFile(file=file)], inspector.stages)
    score_id = inspector.spec.score_id
    before, identity = book.find("washer", "").thresholds[score_id], book.recipe_id
    assert book.set_threshold("washer", 0.75, by="ada") == before.score
    for recipe in (book.find("washer", ""), Recipe.load(file)):
        now = recipe.thresholds[score_id]
        assert (now.score, now.pixel, now.source, now.calibrated) == (
            0.75,
            before.pixel,
            "given",
            False,
        )
        assert recipe.history[-1]["what"] == f"threshold {before.score:.6g} -> 0.75 by ada"
    assert book.recipe_id != identity


def test_threshold_that_the_configuration_gives_is_not_set_elsewhere(
    inspector: Inspector, file: Path
) -> None:
    book = RecipeBook([RecipeFile(file=file, threshold=0.5)], inspector.stages)
    assert next(book.listed()).threshold_fixed
    with pytest.raises(InputError, match="the configuration gives the threshold of 'washer'"):
        book.set_threshold("washer", 0.75, by="ada")
    with pytest.raises(InputError, match="finite"):
        book.set_threshold("washer", float("nan"), by="ada")


def test_threshold_of_a_file_that_two_cameras_share_is_that_of_both(
    inspector: Inspector, file: Path
) -> None:
    book = RecipeBook([RecipeFile(file=file, camera=name) for name in "ab"], inspector.stages)
    with pytest.raises(InputError, match="each of these cameras: a, b; name one"):
        book.set_threshold("washer", 0.75, by="ada")
    book.set_threshold("washer", 0.75, by="ada", camera="b")
    score_id = inspector.spec.score_id
    assert [book.find("washer", name).thresholds[score_id].score for name in "ab"] == [0.75] * 2
