from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from res2clip_runtime.bundle import Bundle, bundles_directory, find_bundle, installed_bundles
from res2clip_runtime.errors import (
    ArtefactError,
    ArtefactNotFoundError,
    FormatVersionError,
    HashMismatchError,
)


@pytest.fixture
def copy(tmp_path: Path, bundle_path: Path) -> Path:
    return shutil.copytree(bundle_path, tmp_path / "bundle")


def install(bundle_path: Path, name: str, *, created: str | None = None) -> Path:
    target = shutil.copytree(bundle_path, bundles_directory() / name)
    if created:
        manifest = json.loads((target / "manifest.json").read_text())
        (target / "manifest.json").write_text(json.dumps({**manifest, "created": created}))
    return target


def test_whole_bundle_is_loaded(bundle_path: Path) -> None:
    bundle = Bundle.load(bundle_path)
    assert set(bundle.manifest.stages) == {"encoder", "match", "heads"}
    assert bundle.stage_path("match").is_file()


@pytest.mark.parametrize("name", ["encoder.onnx", "match.onnx", "heads.onnx", "parity.json"])
def test_flipped_byte_in_any_file_is_found(copy: Path, name: str) -> None:
    data = bytearray((copy / name).read_bytes())
    data[len(data) // 2] ^= 1
    (copy / name).write_bytes(bytes(data))
    with pytest.raises(HashMismatchError, match=name):
        Bundle.load(copy)


def test_truncated_file_is_found(copy: Path) -> None:
    (copy / "encoder.onnx").write_bytes((copy / "encoder.onnx").read_bytes()[:-1])
    with pytest.raises(HashMismatchError, match=r"encoder\.onnx"):
        Bundle.load(copy)


def test_missing_file_is_named(copy: Path) -> None:
    (copy / "match.onnx").unlink()
    with pytest.raises(ArtefactNotFoundError, match=r"match\.onnx is missing"):
        Bundle.load(copy)


def test_folder_without_manifest_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ArtefactNotFoundError, match="res2clip export"):
        Bundle.load(tmp_path)


def test_newer_bundle_is_refused(copy: Path) -> None:
    manifest = json.loads((copy / "manifest.json").read_text())
    (copy / "manifest.json").write_text(json.dumps({**manifest, "format_version": 99}))
    with pytest.raises(FormatVersionError, match="99"):
        Bundle.load(copy)


def test_manifest_that_is_no_text_is_refused(copy: Path) -> None:
    (copy / "manifest.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ArtefactError, match="cannot be read"):
        Bundle.load(copy)


def test_bundle_is_found_by_its_encoder(bundle_path: Path) -> None:
    installed = install(bundle_path, "tiny")
    encoder_id = Bundle.load(bundle_path).manifest.method.encoder_id
    assert find_bundle(encoder_id).directory == installed


def test_newest_of_several_fitting_bundles_is_taken(bundle_path: Path) -> None:
    newest = install(bundle_path, "a", created="2027-05-01T00:00:00+00:00")
    install(bundle_path, "b", created="2026-05-01T00:00:00+00:00")
    encoder_id = Bundle.load(bundle_path).manifest.method.encoder_id
    assert find_bundle(encoder_id).directory == newest


def test_unknown_encoder_names_the_place_that_was_searched(bundle_path: Path) -> None:
    install(bundle_path, "tiny")
    with pytest.raises(ArtefactNotFoundError, match=str(bundles_directory())):
        find_bundle("f" * 64)


def test_unreadable_bundle_is_left_out_and_logged(
    bundle_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    install(bundle_path, "good")
    (install(bundle_path, "bad") / "manifest.json").write_text("{")
    assert [path.name for path, _ in installed_bundles()] == ["good"]
    assert "bad" in caplog.text
