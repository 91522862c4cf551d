from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from res2clip_runtime.errors import ArtefactError, FormatVersionError
from res2clip_runtime.manifest import Manifest


@pytest.fixture
def values(bundle_path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((bundle_path / "manifest.json").read_text())
    return loaded


def refused(values: dict[str, Any], match: str | None = None) -> None:
    with pytest.raises(ArtefactError, match=match):
        Manifest.from_json(json.dumps(values))


def test_text_is_the_same_after_reading_and_writing(bundle_path: Path) -> None:
    """Golden: the checked-in manifest is what this version writes, byte for byte."""
    text = (bundle_path / "manifest.json").read_text(encoding="utf-8")
    assert Manifest.from_json(text).to_json().strip() == text.strip()


def test_newer_format_is_refused_before_its_fields_are_looked_at() -> None:
    text = json.dumps({"format_version": 2, "something": "new"})
    with pytest.raises(FormatVersionError, match="version 2, this res2clip reads up to 1"):
        Manifest.from_json(text)


def test_unknown_field_is_refused(values: dict[str, Any]) -> None:
    refused({**values, "surprise": 1}, "surprise")


def test_unknown_field_of_the_method_is_refused(values: dict[str, Any]) -> None:
    values["method"]["surprise"] = 1
    refused(values, "surprise")


@pytest.mark.parametrize(
    "field", ["name", "method", "stages", "files", "preprocessing", "versions", "parity"]
)
def test_missing_field_is_refused(values: dict[str, Any], field: str) -> None:
    del values[field]
    refused(values, field)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "3", '"x"', '{"format_version": "new"}'])
def test_text_that_is_no_manifest_is_refused(text: str) -> None:
    with pytest.raises(ArtefactError, match="damaged"):
        Manifest.from_json(text)


@pytest.mark.parametrize("field", ["method", "stages", "files", "backbone"])
@pytest.mark.parametrize("value", [None, 7, "x", [1]])
def test_field_of_another_type_is_refused(values: dict[str, Any], field: str, value: Any) -> None:
    refused({**values, field: value})


@pytest.mark.parametrize(
    "name", ["../evil.onnx", "/etc/passwd", "a/b.onnx", ".hidden", "..", "", "a\0b"]
)
def test_file_outside_the_bundle_is_refused(values: dict[str, Any], name: str) -> None:
    values["files"][name] = {"sha256": "0" * 64, "bytes": 1}
    refused(values, "outside itself")


def test_stage_in_a_file_without_hash_is_refused(values: dict[str, Any]) -> None:
    values["stages"]["match"]["file"] = "../match.onnx"
    refused(values, "no hash")


def test_missing_and_extra_stages_are_refused(values: dict[str, Any]) -> None:
    values["stages"]["extra"] = values["stages"].pop("heads")
    refused(values, "expected")


def test_other_preprocessing_is_refused(values: dict[str, Any]) -> None:
    values["preprocessing"]["mean"] = [0.5, 0.5, 0.5]
    refused(values, "preprocessing")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("patch_size_px", 0),
        ("patch_size_px", 7),
        ("taps", []),
        ("embed_dim", 0),
        ("image_size_px", "x"),
        ("gamma", None),
    ],
)
def test_impossible_method_is_refused(values: dict[str, Any], field: str, value: Any) -> None:
    values["method"][field] = value
    refused(values)
