from __future__ import annotations

import dataclasses
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from drawn_parts import save_parts
from numpy_model import NumpyModel

from res2clip_runtime.errors import (
    ArtefactError,
    BackendError,
    EncoderMismatchError,
    InputError,
    OutputError,
)
from res2clip_runtime.picture_archive import (
    ArchiveSummary,
    RecipeBook,
    Worklist,
    score_archive,
    score_here,
)
from res2clip_runtime.picture_archive.listing import list_pictures
from res2clip_runtime.picture_archive.parts_folder import PartsFolder
from res2clip_runtime.picture_archive.shard import Advance, Results, Shard
from res2clip_runtime.recipe import Recipe
from res2clip_runtime.storage import file_sha256

COLUMNS = ["path", "product", "score", "threshold", "decision", "regions", "reason"]


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Six good parts, a file that is no picture, four scratched parts."""
    save_parts(tmp_path / "archive" / "a", 6, first_seed=10)
    (tmp_path / "archive" / "a" / "099.png").write_bytes(b"junk")
    save_parts(tmp_path / "archive" / "b", 4, first_seed=20, scratched=True)
    return tmp_path / "archive"


@pytest.fixture
def book(tmp_path: Path, recipe: Recipe) -> RecipeBook:
    recipe.save(tmp_path / "washer.recipe.safetensors")
    return RecipeBook.load([tmp_path / "washer.recipe.safetensors"])


def failing_runner(
    recipes: Mapping[str, Recipe], after: int, shards: Iterator[Shard], advance: Advance
) -> Results:
    """Scores ``after`` shards and fails."""
    for done, result in enumerate(score_here(NumpyModel, recipes, shards, advance)):
        if done == after:
            raise BackendError("the power is gone")
        yield result


def score(
    archive: Path,
    book: RecipeBook,
    out: Path,
    *,
    fail_after: int | None = None,
    shard_size: int = 3,
    force: bool = False,
    model: NumpyModel | None = None,
) -> ArchiveSummary:
    runner = partial(score_here, NumpyModel, book.recipes)
    if fail_after is not None:
        runner = partial(failing_runner, book.recipes, fail_after)
    with Worklist(list_pictures(str(archive)), book.product_of) as worklist:
        return score_archive(
            worklist,
            book,
            runner,
            spec=(model or NumpyModel()).spec,
            out=out,
            shard_size=shard_size,
            force=force,
        )


def test_every_picture_is_in_the_result_once_in_order(
    archive: Path, book: RecipeBook, tmp_path: Path
) -> None:
    summary = score(archive, book, tmp_path / "out.parquet")
    table = pq.read_table(tmp_path / "out.parquet")
    assert table.column_names == COLUMNS
    assert table["path"].to_pylist() == [p.path for p in list_pictures(str(archive))]
    assert table["decision"].to_pylist() == ["OK"] * 6 + ["ERROR"] + ["NG"] * 4
    assert set(table["product"].to_pylist()) == {"washer"}
    assert summary.to_json()["products"] == {"washer": {"ok": 6, "ng": 4, "error": 1}}
    assert (summary.scored_now, summary.duplicates) == (11, 0)
    assert not (tmp_path / "out.parquet.parts").exists()


def test_rows_say_what_inspecting_says(archive: Path, book: RecipeBook, tmp_path: Path) -> None:
    from res2clip_runtime.inspection import inspect

    score(archive, book, tmp_path / "out.parquet")
    for row in pq.read_table(tmp_path / "out.parquet").to_pylist():
        if row["decision"] == "ERROR":
            assert (row["score"], row["threshold"], row["regions"]) == (None, None, [])
            assert "099.png is not a picture" in row["reason"]
            continue
        verdict = inspect(NumpyModel(), row["path"], book.recipes["washer"])
        assert (row["score"], row["threshold"]) == (verdict.score, verdict.threshold)
        assert row["regions"] == [dataclasses.asdict(region) for region in verdict.regions]
        assert row["reason"] is None
    assert any(row["regions"] for row in pq.read_table(tmp_path / "out.parquet").to_pylist())


def test_result_names_the_model_and_the_recipes(
    archive: Path, book: RecipeBook, tmp_path: Path
) -> None:
    score(archive, book, tmp_path / "out.parquet")
    record = json.loads(pq.read_schema(tmp_path / "out.parquet").metadata[b"res2clip.score"])
    spec = NumpyModel().spec
    assert (record["encoder_id"], record["score_id"]) == (spec.encoder_id, spec.score_id)
    assert record["recipes"] == {"washer": file_sha256(tmp_path / "washer.recipe.safetensors")}


@pytest.mark.parametrize("name", ["out.parquet", "out"])
def test_run_that_broke_off_goes_on_and_ends_as_an_undisturbed_one(
    archive: Path, book: RecipeBook, tmp_path: Path, name: str
) -> None:
    (tmp_path / "whole").mkdir()
    score(archive, book, tmp_path / "whole" / name)
    with pytest.raises(BackendError):
        score(archive, book, tmp_path / name, fail_after=2)
    assert not (tmp_path / name).exists()
    (tmp_path / f"{name}.parts" / ".part-00000003.parquet.torn").write_bytes(b"half a shard")
    summary = score(archive, book, tmp_path / name)
    assert summary.scored_now == 5
    expected = pq.read_table(tmp_path / "whole" / name)
    assert pq.read_table(tmp_path / name).equals(expected, check_metadata=True)
    assert not (tmp_path / f"{name}.parts").exists()


def test_folder_result_holds_a_file_a_shard(
    archive: Path, book: RecipeBook, tmp_path: Path
) -> None:
    summary = score(archive, book, tmp_path / "out")
    found = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert found == ["_plan.json", *(f"part-{number:08}.parquet" for number in range(4))]
    assert pq.read_table(tmp_path / "out").num_rows == 11
    assert summary.decisions["washer", "NG"] == 4


@pytest.mark.parametrize("name", ["out.parquet", "out"])
def test_finished_run_is_not_done_again(
    archive: Path, book: RecipeBook, tmp_path: Path, name: str
) -> None:
    first = score(archive, book, tmp_path / name)
    again = score(archive, book, tmp_path / name, fail_after=0)
    assert (again.scored_now, again.decisions) == (0, first.decisions)
    assert sorted(path.name for path in tmp_path.glob("out*")) == [name]


@pytest.mark.parametrize("fail_after", [2, None])
@pytest.mark.parametrize("changed", ["pictures", "recipes", "model", "--shard-size"])
def test_other_work_at_the_same_place_is_refused_and_named(
    archive: Path, book: RecipeBook, tmp_path: Path, fail_after: int | None, changed: str
) -> None:
    out = tmp_path / "out.parquet"
    try:
        score(archive, book, out, fail_after=fail_after)
    except BackendError:
        assert fail_after
    model = NumpyModel()
    if changed == "pictures":
        save_parts(archive, 1, first_seed=50)
    if changed == "recipes":
        book = dataclasses.replace(book, sha256={"washer": "0" * 64})
    if changed == "model":
        model.spec = dataclasses.replace(model.spec, precision="fp16")
    size = 4 if changed == "--shard-size" else 3
    before = sorted(path for path in tmp_path.rglob("out*"))
    with pytest.raises(InputError, match=f"with other {changed}; .*--force"):
        score(archive, book, out, model=model, shard_size=size)
    assert sorted(path for path in tmp_path.rglob("out*")) == before
    summary = score(archive, book, out, model=model, shard_size=size, force=True)
    assert summary.scored_now == summary.fingerprint.pictures
    assert pq.read_metadata(out).num_rows == summary.fingerprint.pictures


@pytest.mark.parametrize("name", ["out.parquet", "out"])
def test_forced_run_that_broke_off_goes_on_without_force(
    archive: Path, book: RecipeBook, tmp_path: Path, name: str
) -> None:
    score(archive, book, tmp_path / name)
    old = {p: p.stat().st_ino for p in tmp_path.rglob("*") if p.is_file()}
    with pytest.raises(BackendError):
        score(archive, book, tmp_path / name, force=True, fail_after=1, shard_size=2)
    assert old.items() <= {p: p.stat().st_ino for p in tmp_path.rglob("*") if p.is_file()}.items()
    assert score(archive, book, tmp_path / name, shard_size=2).scored_now == 9
    assert pq.read_table(tmp_path / name).num_rows == 11


def test_what_is_not_a_result_is_never_replaced_unasked(
    archive: Path, book: RecipeBook, tmp_path: Path
) -> None:
    (tmp_path / "file.parquet").write_bytes(b"my own data")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "thesis.txt").write_text("my own data")
    for name in ("file.parquet", "folder"):
        for force in (False, True):
            with pytest.raises(InputError, match="is no result of res2clip score"):
                score(archive, book, tmp_path / name, force=force)
    assert (tmp_path / "file.parquet").read_bytes() == b"my own data"
    assert not list(tmp_path.glob("*.parts"))


def test_parts_folder_with_foreign_files_is_left_alone(
    archive: Path, book: RecipeBook, tmp_path: Path
) -> None:
    (tmp_path / "out.parquet.parts").mkdir()
    (tmp_path / "out.parquet.parts" / "thesis.txt").write_text("my own data")
    with pytest.raises(InputError, match="holds something else"):
        score(archive, book, tmp_path / "out.parquet", force=True)
    assert (tmp_path / "out.parquet.parts" / "thesis.txt").exists()


def test_folder_named_like_a_file_and_file_named_like_a_folder_are_refused(
    archive: Path, book: RecipeBook, tmp_path: Path
) -> None:
    (tmp_path / "out.parquet").mkdir()
    (tmp_path / "out").touch()
    for name, kind in (("out.parquet", "folder"), ("out", "file")):
        with pytest.raises(InputError, match=f"is a {kind}; --out is a file NAME.parquet, or"):
            score(archive, book, tmp_path / name)


def test_two_runs_do_not_write_one_result(archive: Path, book: RecipeBook, tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"
    with pytest.raises(BackendError):
        score(archive, book, out, fail_after=1)
    held = os.open(tmp_path / "out.parquet.parts", os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    with pytest.raises(OutputError, match="another run is writing"):
        score(archive, book, out)
    os.close(held)
    assert score(archive, book, out).scored_now == 8


def test_recipe_of_another_encoder_is_refused_before_the_first_picture(
    archive: Path, book: RecipeBook, tmp_path: Path
) -> None:
    with pytest.raises(EncoderMismatchError, match="recipe of 'washer' belongs to encoder"):
        score(archive, book, tmp_path / "out.parquet", model=NumpyModel(seed=1))
    assert not list(tmp_path.glob("out*"))


def test_damaged_part_is_named_and_can_be_done_again(
    archive: Path, book: RecipeBook, tmp_path: Path
) -> None:
    out = tmp_path / "out.parquet"
    with pytest.raises(BackendError):
        score(archive, book, out, fail_after=2)
    part = tmp_path / "out.parquet.parts" / "part-00000001.parquet"
    part.write_bytes(part.read_bytes()[:-100])
    with pytest.raises(ArtefactError, match=r"part-00000001\.parquet is damaged: .*remove it and"):
        score(archive, book, out)
    part.unlink()
    assert score(archive, book, out).scored_now == 3
    assert pq.read_metadata(out).num_rows == 11


def test_plan_that_is_damaged_is_refused(archive: Path, book: RecipeBook, tmp_path: Path) -> None:
    with pytest.raises(BackendError):
        score(archive, book, tmp_path / "out.parquet", fail_after=2)
    for text in ("{", "[]", "{}", '{"format_version": 1}', '{"format_version": 99}'):
        (tmp_path / "out.parquet.parts" / "_plan.json").write_text(text)
        with pytest.raises(ArtefactError, match=r"_plan\.json: .*; begin anew with --force"):
            score(archive, book, tmp_path / "out.parquet")


def test_missing_part_is_never_passed_over(archive: Path, book: RecipeBook, tmp_path: Path) -> None:
    def forgetful(shards: Iterator[Shard], advance: Advance) -> Results:
        next(shards)
        yield from score_here(NumpyModel, book.recipes, shards, advance)

    with Worklist(list_pictures(str(archive)), book.product_of) as worklist:
        arguments = {"spec": NumpyModel().spec, "out": tmp_path / "out.parquet", "shard_size": 3}
        with pytest.raises(ArtefactError, match="hold 8 pictures instead of 11"):
            score_archive(worklist, book, forgetful, **arguments)
    assert score(archive, book, tmp_path / "out.parquet").scored_now == 3


@pytest.mark.parametrize("name", ["out.parquet", "out"])
def test_full_disk_ends_the_run_and_with_space_it_goes_on(
    archive: Path, book: RecipeBook, tmp_path: Path, small_disk: Path, name: str
) -> None:
    score(archive, book, tmp_path / name, shard_size=1)
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * (os.statvfs(small_disk).f_bavail * 4096 - 5 * 8192))
    with pytest.raises(OutputError, match="No space left on device; free some space"):
        score(archive, book, small_disk / name, shard_size=1)
    finished = len(list((small_disk / f"{name}.parts").glob("part-*")))
    assert 0 < finished < 11
    ballast.unlink()
    assert score(archive, book, small_disk / name, shard_size=1).scored_now == 11 - finished
    expected = pq.read_table(tmp_path / name)
    assert pq.read_table(small_disk / name).equals(expected, check_metadata=True)


def test_full_disk_while_joining_keeps_the_parts(
    archive: Path, book: RecipeBook, small_disk: Path
) -> None:
    out, ballast = small_disk / "out.parquet", small_disk / "ballast"
    with pytest.raises(BackendError):
        score(archive, book, out, shard_size=1, fail_after=10)
    last = 2 * 4096  # the last part fits, the whole does not
    ballast.write_bytes(b"x" * (os.statvfs(small_disk).f_bavail * 4096 - last))
    with pytest.raises(OutputError, match=r"cannot write .*out\.parquet: No space left"):
        score(archive, book, out, shard_size=1)
    assert len(list((small_disk / "out.parquet.parts").glob("part-*"))) == 11
    assert not out.exists()
    ballast.unlink()
    assert score(archive, book, out, shard_size=1).scored_now == 0
    assert pq.read_metadata(out).num_rows == 11


def test_place_that_cannot_be_written_is_refused(
    archive: Path, book: RecipeBook, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot write"):
        score(archive, book, tmp_path / "file" / "out.parquet")


def test_leftovers_of_a_removal_that_broke_off_go(
    archive: Path, book: RecipeBook, tmp_path: Path
) -> None:
    out = tmp_path / "out.parquet"
    first = score(archive, book, out)
    (tmp_path / "out.parquet.parts").mkdir()
    (tmp_path / "out.parquet.parts" / "part-00000003.parquet").write_bytes(b"old")
    assert score(archive, book, out).scored_now == 0
    assert not (tmp_path / "out.parquet.parts").exists()
    with PartsFolder(out, first.fingerprint) as parts:
        assert parts.complete
