from __future__ import annotations

import os
from pathlib import Path

import pytest

from res2clip_runtime.errors import OutputError
from res2clip_runtime.recipe import Recipe
from res2clip_runtime.storage import data_directory, write_atomically


def test_file_is_written_with_its_folders(tmp_path: Path) -> None:
    write_atomically(tmp_path / "a" / "b", b"new")
    assert (tmp_path / "a" / "b").read_bytes() == b"new"


def test_file_has_the_usual_permissions(tmp_path: Path) -> None:
    write_atomically(tmp_path / "a", b"")
    (tmp_path / "b").touch()
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode


def test_only_the_file_is_left_behind(tmp_path: Path) -> None:
    for _ in range(3):
        write_atomically(tmp_path / "a", b"x")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_full_disk_keeps_the_older_file(small_disk: Path) -> None:
    path = small_disk / "a"
    write_atomically(path, b"old")
    with pytest.raises(OutputError, match="No space left on device; free some space"):
        write_atomically(path, b"x" * 400_000)
    assert path.read_bytes() == b"old"
    assert [found.name for found in small_disk.iterdir()] == ["a"]


def test_full_disk_keeps_the_older_recipe(small_disk: Path, recipe: Recipe) -> None:
    path = small_disk / "washer.recipe.safetensors"
    recipe.save(path)
    (small_disk / "ballast").write_bytes(b"x" * (os.statvfs(small_disk).f_bavail * 4096 - 8192))
    with pytest.raises(OutputError, match="No space left"):
        recipe.save(path)
    assert Recipe.load(path).describe() == recipe.describe()


def test_place_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot write"):
        write_atomically(tmp_path / "file" / "a", b"")


def test_folder_in_the_way_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(OutputError, match="cannot write"):
        write_atomically(tmp_path / "a", b"")


def test_data_directory_follows_xdg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert data_directory() == tmp_path / "res2clip"
    monkeypatch.delenv("XDG_DATA_HOME")
    assert data_directory() == Path.home() / ".local" / "share" / "res2clip"
