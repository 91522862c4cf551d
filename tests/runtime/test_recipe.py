from __future__ import annotations

import dataclasses
import io
import json
import struct
from pathlib import Path

import numpy as np
import pytest
from numpy_model import NumpyModel
from PIL import Image

from res2clip_runtime.errors import ArtefactError
from res2clip_runtime.recipe import Recipe, Reference, Threshold
from res2clip_runtime.spec import canonical_json

GOLDEN = Path(__file__).parent / "data" / "recipe_v1.json"


def small_recipe() -> Recipe:
    """A recipe of which every byte is known."""
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4), (10, 20, 30)).save(buffer, format="PNG", compress_level=0)
    return Recipe(
        product="Scheibe Ø8",
        encoder_id="e" * 64,
        bank=np.arange(16, dtype=np.float32).reshape(2, 4, 2) / 16,
        bank_rho=np.array([0, 1, 2, 3], dtype=np.float32),
        bank_global=np.array([[1, 0], [0, 1]], dtype=np.float32),
        references=tuple(
            Reference(name=f"{i}.png", sha256=str(i) * 64, rows=2, png=buffer.getvalue())
            for i in range(2)
        ),
        thresholds={
            "s" * 32: Threshold(
                score=0.5,
                pixel=0.25,
                source="leave-one-out maximum",
                calibration_scores=(0.5, 0.25),
            )
        },
        history=({"when": "2026-01-02T03:04:05+00:00", "what": "taught 2 good picture(s)"},),
    )


def metadata_of(path: Path) -> str:
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    return str(json.loads(data[8 : 8 + length])["__metadata__"]["res2clip.recipe"])


def test_recipe_comes_back_as_it_was_saved(tmp_path: Path, recipe: Recipe) -> None:
    path = tmp_path / "washer.recipe.safetensors"
    recipe.save(path)
    loaded = Recipe.load(path)
    assert loaded.describe() == recipe.describe()
    assert loaded.references == recipe.references
    assert loaded.thresholds == recipe.thresholds
    np.testing.assert_array_equal(loaded.bank, recipe.bank.astype(np.float16).astype(np.float32))
    np.testing.assert_array_equal(loaded.bank_rho, recipe.bank_rho)
    np.testing.assert_array_equal(loaded.bank_global, recipe.bank_global)
    assert loaded.bank.dtype == np.float32


def test_saving_a_loaded_recipe_gives_the_same_bytes(tmp_path: Path, recipe: Recipe) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    recipe.save(first)
    Recipe.load(first).save(second)
    assert first.read_bytes() == second.read_bytes()


def test_metadata_is_the_golden_text(tmp_path: Path) -> None:
    """A change here is a change of the file format: raise FORMAT_VERSION and docs/recipe.md."""
    path = tmp_path / "a.recipe.safetensors"
    small_recipe().save(path)
    metadata = json.loads(metadata_of(path))
    png = [name for name in metadata["tensors"] if name.startswith("reference/")]
    assert len(png) == 2
    for name in png:  # Pillow's encoder is not ours to pin
        metadata["tensors"][name] = "0" * 64
    assert len(metadata["sha256"]) == 64  # follows from the rest, Pillow's bytes included
    metadata["sha256"] = "0" * 64
    assert canonical_json(metadata) == GOLDEN.read_text(encoding="utf-8").strip()


def test_metadata_is_canonical(tmp_path: Path) -> None:
    path = tmp_path / "a"
    small_recipe().save(path)
    text = metadata_of(path)
    assert text == canonical_json(json.loads(text))


def test_tensors_have_the_documented_types(tmp_path: Path) -> None:
    path = tmp_path / "a"
    small_recipe().save(path)
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__")
    types = {name: (entry["dtype"], len(entry["shape"])) for name, entry in header.items()}
    assert types == {
        "bank": ("F16", 3),
        "bank_rho": ("F32", 1),
        "bank_global": ("F32", 2),
        "reference/0": ("U8", 1),
        "reference/1": ("U8", 1),
    }


def test_recipe_without_threshold_comes_back(tmp_path: Path) -> None:

    path = tmp_path / "a"
    dataclasses.replace(small_recipe(), thresholds={}).save(path)
    assert Recipe.load(path).thresholds == {}


def test_names_in_any_script_survive(tmp_path: Path) -> None:

    path = tmp_path / "垫圈 ☃.recipe.safetensors"
    dataclasses.replace(small_recipe(), product="垫圈 ☃ ../..").save(path)
    assert Recipe.load(path).product == "垫圈 ☃ ../.."


def test_mean_of_global_features_has_unit_length(recipe: Recipe) -> None:
    mean = recipe.bank_global_mean
    assert mean.dtype == np.float32
    assert np.linalg.norm(mean) == pytest.approx(1, abs=1e-6)


def test_rows_of_a_reference_are_its_patches(model: NumpyModel, recipe: Recipe) -> None:
    assert recipe.rows_of(2) == slice(2 * model.spec.patches, 3 * model.spec.patches)


def test_with_threshold_leaves_the_original_alone(recipe: Recipe) -> None:
    changed = recipe.with_threshold("x", Threshold(score=1.0, pixel=None, source="given"))
    assert "x" in changed.thresholds
    assert "x" not in recipe.thresholds


@pytest.mark.parametrize("name", ["bank", "bank_rho", "bank_global"])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_recipe_with_nan_cannot_be_made(name: str, bad: float) -> None:

    whole = small_recipe()
    damaged = getattr(whole, name).copy()
    damaged.flat[0] = bad
    with pytest.raises(ArtefactError, match=f"{name} holds NaN or infinity"):
        dataclasses.replace(whole, **{name: damaged})
