"""Any value at any place of a recipe, a manifest or a sidecar: usable, or refused by us."""

from __future__ import annotations

import copy
import dataclasses
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from forged_recipe import read_metadata, sealed
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save

from res2clip_runtime.bundle import Bundle
from res2clip_runtime.cli.recipe_text import recipe_text
from res2clip_runtime.errors import Res2ClipError
from res2clip_runtime.manifest import Manifest
from res2clip_runtime.recipe import Recipe
from res2clip_runtime.safe_text import has_controls
from res2clip_runtime.tensorrt.engine_record import EngineRecord, read_record
from res2clip_runtime.threshold_choice import threshold_doubts

many = settings(
    max_examples=400,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
_scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=True)
    | st.text(max_size=8)
    | st.sampled_from(["", "../x", "\x1b[2J", "a" * 300, "0" * 64])
)
values = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
)
choices = st.lists(st.integers(0, 10**6), min_size=1, max_size=6)


def mutated(document: Any, choice: list[int], value: Any, *, delete: bool) -> Any:
    """Return the document with one place changed; ``choice`` is the way to it."""
    document = copy.deepcopy(document)
    node = document
    for depth, number in enumerate(choice):
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        if not keys:
            break
        key = keys[number % len(keys)]
        last = depth == len(choice) - 1 or not isinstance(node[key], (dict, list))
        if not last:
            node = node[key]
            continue
        if delete:
            del node[key]
        else:
            node[key] = value
        break
    return document


@settings(many, max_examples=120)
@given(choice=choices, value=values, delete=st.booleans())
def test_recipe(washer: Path, tmp_path: Path, choice: list[int], value: Any, delete: bool) -> None:
    metadata = read_metadata(washer)
    changed = mutated(metadata, choice, value, delete=delete)
    path = tmp_path / "a"
    try:
        path.write_bytes(save(load_file(washer), {"res2clip.recipe": sealed(changed)}))
    except UnicodeEncodeError:
        return  # not even a file can hold a lone surrogate
    with suppress(Res2ClipError):
        recipe = Recipe.load(path)
        assert not has_controls(recipe_text(recipe).replace("\n", ""))
        threshold_doubts(recipe, next(iter(metadata["thresholds"])))
        recipe.save(tmp_path / "again")
        assert Recipe.load(tmp_path / "again").describe() == recipe.describe()


@many
@given(choice=choices, value=values, delete=st.booleans())
def test_manifest(tiny_bundle: Path, choice: list[int], value: Any, delete: bool) -> None:
    document = json.loads((tiny_bundle / "manifest.json").read_text())
    text = json.dumps(mutated(document, choice, value, delete=delete))
    with suppress(Res2ClipError):
        manifest = Manifest.from_json(text)
        assert Manifest.from_json(manifest.to_json()) == manifest
        Bundle(tiny_bundle, manifest).stage_sha256("encoder")
        assert manifest.method.score_id
        assert manifest.method.patches > 0


@many
@given(choice=choices, value=values, delete=st.booleans())
def test_sidecar(tmp_path: Path, choice: list[int], value: Any, delete: bool) -> None:
    fields = {f.name: "x" for f in dataclasses.fields(EngineRecord)}
    document = {**fields, "tf32": False, "max_batch": 1, "build_seconds": 1.0}
    path = tmp_path / "encoder.json"
    path.write_text(json.dumps(mutated(document, choice, value, delete=delete)))
    record = read_record(path)
    assert record is None or isinstance(record, EngineRecord)


@pytest.mark.parametrize("name", ["recipe", "manifest"])
def test_the_documents_that_are_changed_are_good_themselves(
    name: str, washer: Path, tiny_bundle: Path
) -> None:
    assert Recipe.load(washer) if name == "recipe" else Bundle.load(tiny_bundle)
