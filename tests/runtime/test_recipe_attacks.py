"""Recipes that are damaged, foreign or hostile: refused, with what to do next."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from forged_recipe import read_metadata, sealed
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from res2clip_runtime.contact_sheet import draw_contact_sheet
from res2clip_runtime.errors import (
    ArtefactError,
    ArtefactNotFoundError,
    FormatVersionError,
    HashMismatchError,
    Res2ClipError,
)
from res2clip_runtime.recipe import Recipe
from res2clip_runtime.spec import sha256_hex

Tensors = dict[str, np.ndarray]
Metadata = dict[str, Any]


@pytest.fixture
def path(tmp_path: Path, recipe: Recipe) -> Path:
    path = tmp_path / "washer.recipe.safetensors"
    recipe.save(path)
    return path


def forge(path: Path, change: Callable[[Tensors, Metadata], None], *, hashes: bool = True) -> None:
    """Rewrite a recipe after ``change``, with hashes that fit the changed tensors."""
    tensors = load_file(path)
    metadata = read_metadata(path)
    change(tensors, metadata)
    if hashes:
        metadata["tensors"] = {name: sha256_hex(v.tobytes()) for name, v in tensors.items()}
    save_file(tensors, path, {"res2clip.recipe": sealed(metadata)})


@pytest.mark.parametrize("share", [0.0, 0.001, 0.1, 0.5, 0.99])
def test_truncated_recipe_is_refused(path: Path, share: float) -> None:
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(ArtefactError, match="not a recipe or is truncated"):
        Recipe.load(path)


@pytest.mark.parametrize("share", [0.3, 0.5, 0.7, 0.999])
def test_flipped_byte_in_a_tensor_is_found(path: Path, share: float) -> None:
    data = bytearray(path.read_bytes())
    header = 8 + struct.unpack("<Q", data[:8])[0]
    data[header + int((len(data) - header) * share)] ^= 0x40
    path.write_bytes(bytes(data))
    with pytest.raises(HashMismatchError, match="is not what was saved"):
        Recipe.load(path)


@given(position=st.floats(0, 1, exclude_max=True), value=st.integers(1, 255))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_flipped_byte_anywhere_escapes_our_errors(
    path: Path, recipe: Recipe, position: float, value: int
) -> None:
    """Also in the header: it loads as it was, or with another name, or is refused by us."""
    data = bytearray(path.read_bytes())
    original = bytes(data)
    data[int(len(data) * position)] ^= value
    path.write_bytes(bytes(data))
    try:
        loaded = Recipe.load(path)
        assert loaded.bank.shape == recipe.bank.shape
    except Res2ClipError:
        pass
    finally:
        path.write_bytes(original)


def test_newer_format_is_refused_with_both_versions(path: Path) -> None:
    forge(path, lambda _, metadata: metadata.update(format_version=2))
    with pytest.raises(FormatVersionError, match="version 2, this res2clip reads up to 1"):
        Recipe.load(path)


def test_changed_tensor_without_its_hash_is_refused(path: Path) -> None:
    forge(path, lambda tensors, _: tensors["bank_rho"].__setitem__(0, 5), hashes=False)
    with pytest.raises(HashMismatchError, match="bank_rho"):
        Recipe.load(path)


@pytest.mark.parametrize("name", ["bank", "bank_rho", "bank_global"])
def test_nan_in_a_tensor_is_refused(path: Path, name: str) -> None:
    forge(path, lambda tensors, _: tensors[name].flat.__setitem__(0, np.nan))
    with pytest.raises(ArtefactError, match=f"{name} holds NaN"):
        Recipe.load(path)


@pytest.mark.parametrize("name", ["bank", "bank_rho", "bank_global", "reference/2"])
def test_missing_tensor_is_refused(path: Path, name: str) -> None:
    forge(path, lambda tensors, _: tensors.pop(name))
    with pytest.raises(ArtefactError, match=f"{path}.*{name}"):
        Recipe.load(path)


def test_tensor_that_metadata_does_not_name_is_refused(path: Path) -> None:
    forge(path, lambda tensors, _: tensors.update(extra=np.zeros(1)), hashes=False)
    with pytest.raises(ArtefactError, match="its metadata names"):
        Recipe.load(path)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8, np.int16])
def test_bank_of_another_type_is_refused(path: Path, dtype: type) -> None:
    forge(path, lambda tensors, _: tensors.update(bank=tensors["bank"].astype(dtype)))
    with pytest.raises(ArtefactError, match="expected float16"):
        Recipe.load(path)


@pytest.mark.parametrize(
    ("name", "cut"),
    [
        ("bank", lambda a: a[:, :-1]),
        ("bank", lambda a: a[0]),
        ("bank", lambda a: a[..., :-1]),
        ("bank_rho", lambda a: a[:-1]),
        ("bank_rho", lambda a: a[None]),
        ("bank_global", lambda a: a[:-1]),
        ("bank_global", lambda a: a.ravel()),
    ],
)
def test_tensor_of_another_shape_is_refused(path: Path, name: str, cut: Any) -> None:
    forge(path, lambda tensors, _: tensors.update({name: np.ascontiguousarray(cut(tensors[name]))}))
    with pytest.raises(ArtefactError, match="do not"):
        Recipe.load(path)


@pytest.mark.parametrize(
    "field", ["product", "encoder_id", "references", "thresholds", "history", "tensors"]
)
def test_missing_field_is_refused(path: Path, field: str) -> None:
    forge(path, lambda _, metadata: metadata.pop(field), hashes=False)
    with pytest.raises(ArtefactError, match="damaged"):
        Recipe.load(path)


@pytest.mark.parametrize("value", [None, 7, "x", [1], {"a": 1}])
@pytest.mark.parametrize(
    "field", ["references", "thresholds", "history", "tensors", "format_version"]
)
def test_field_of_another_type_is_refused_or_read(path: Path, field: str, value: Any) -> None:
    forge(path, lambda _, metadata: metadata.update({field: value}), hashes=False)
    with pytest.raises(ArtefactError):
        Recipe.load(path)


@pytest.mark.parametrize(
    "change",
    [
        {"score": float("nan")},
        {"score": float("inf")},
        {"score": "high"},
        {"score": None},
        {"pixel": float("nan")},
        {"pixel": "high"},
        {"calibration_scores": ["x"]},
        {"calibrated": "yes"},
        {"source": 3},
        {"unknown": 1},
    ],
)
def test_damaged_threshold_is_refused(path: Path, change: dict[str, Any]) -> None:
    def damage(_: Tensors, metadata: Metadata) -> None:
        for threshold in metadata["thresholds"].values():
            threshold.update(change)

    forge(path, damage)
    with pytest.raises(ArtefactError):
        Recipe.load(path)


@pytest.mark.parametrize("rows", [-1, 0, 10**9])
def test_reference_with_impossible_rows_is_refused(path: Path, rows: int) -> None:
    def lie(_: Tensors, metadata: Metadata) -> None:
        metadata["references"][0]["rows"] = rows

    forge(path, lie)
    with pytest.raises(ArtefactError):
        Recipe.load(path)


def test_rows_that_cancel_out_are_refused(path: Path) -> None:
    """-64 + 192 + 64 + 64 rows add up, and would give one reference the rows of another."""

    def lie(_: Tensors, metadata: Metadata) -> None:
        rows = metadata["references"][0]["rows"]
        metadata["references"][0]["rows"] = -rows
        metadata["references"][1]["rows"] = 3 * rows

    forge(path, lie)
    with pytest.raises(ArtefactError):
        Recipe.load(path)


def test_recipe_without_references_is_refused(path: Path) -> None:
    def empty(tensors: Tensors, metadata: Metadata) -> None:
        for name in [name for name in tensors if name.startswith("reference/")]:
            del tensors[name]
        metadata["references"] = []
        tensors["bank"] = tensors["bank"][:, :0]
        tensors["bank_rho"] = tensors["bank_rho"][:0]
        tensors["bank_global"] = tensors["bank_global"][:0]

    forge(path, empty)
    with pytest.raises(ArtefactError):
        Recipe.load(path)


def test_other_safetensors_file_is_no_recipe(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_file({"weight": np.zeros(3)}, path)
    with pytest.raises(ArtefactError, match="not a recipe of res2clip"):
        Recipe.load(path)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "3", '"x"', "{}"])
def test_metadata_that_is_no_object_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a"
    save_file({"bank": np.zeros(3)}, path, {"res2clip.recipe": text})
    with pytest.raises(ArtefactError, match=str(path)):
        Recipe.load(path)


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"\xff" * 64, b"\x80\x04." * 9])
def test_foreign_file_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a"
    path.write_bytes(data)
    with pytest.raises(ArtefactError, match="not a recipe or is truncated"):
        Recipe.load(path)


def test_missing_recipe_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ArtefactNotFoundError, match="res2clip teach"):
        Recipe.load(tmp_path / "nowhere")


def test_folder_is_no_recipe(tmp_path: Path) -> None:
    with pytest.raises(ArtefactNotFoundError):
        Recipe.load(tmp_path)


def test_reference_picture_that_is_no_png_is_refused_when_drawn(path: Path) -> None:
    junk = np.frombuffer(b"\x89PNG\r\n\x1a\njunk", dtype=np.uint8)
    forge(path, lambda tensors, _: tensors.update({"reference/0": junk}))
    with pytest.raises(ArtefactError, match="is damaged"):
        draw_contact_sheet(Recipe.load(path))


def test_a_threshold_edited_in_the_file_is_noticed(path: Path) -> None:
    metadata = read_metadata(path)
    (threshold,) = metadata["thresholds"].values()
    old, new = str(threshold["score"]), str(threshold["score"] + 10)
    data = path.read_bytes()
    # The header's length stays: the digits that are too many are taken from the end.
    assert old.encode() in data
    path.write_bytes(data.replace(old.encode(), new[: len(old)].ljust(len(old), "0").encode()))
    with pytest.raises(HashMismatchError, match="thresholds"):
        Recipe.load(path)
