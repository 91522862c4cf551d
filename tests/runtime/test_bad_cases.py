"""Each bad case, as a person meets it: exit code 1, one clear line, no traceback, nothing lost."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from drawn_parts import draw_part, save_parts
from PIL import Image

from res2clip_runtime import Bundle, Inspector, Recipe

TINY_BUNDLE = Path(__file__).parent / "data" / "tiny_bundle"
PROGRAM = [sys.executable, "-m", "res2clip_runtime.cli"]


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("taught") / "washer.recipe.safetensors"
    with Inspector(Bundle.load(TINY_BUNDLE), threads=1) as inspector:
        inspector.teach([draw_part(seed) for seed in range(4)], product="washer").save(path)
    return path


def run_program(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [*PROGRAM, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def assert_one_clear_line(done: subprocess.CompletedProcess[str], *parts: str) -> None:
    assert done.returncode in (1, 2), done
    assert "Traceback" not in done.stderr
    errors = [line for line in done.stderr.splitlines() if not line.startswith("warning: ")]
    assert len(errors) == 1, done.stderr
    assert errors[0].startswith("error: ")
    for part in parts:
        assert part in errors[0]


def test_wrong_hash(bundle_path: Path, taught: Path, good: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(bundle_path, tmp_path / "bundle")
    (copy / "match.onnx").write_bytes(b"x" * (copy / "match.onnx").stat().st_size)
    done = run_program("--source", good, "--recipe", taught, "--bundle", copy)
    assert_one_clear_line(done, "match.onnx", "sha256 differs", "export it again")


def test_missing_file_of_the_bundle(
    bundle_path: Path, taught: Path, good: Path, tmp_path: Path
) -> None:
    copy = shutil.copytree(bundle_path, tmp_path / "bundle")
    (copy / "encoder.onnx").unlink()
    done = run_program("--source", good, "--recipe", taught, "--bundle", copy)
    assert_one_clear_line(done, "encoder.onnx is missing")


def test_newer_bundle(bundle_path: Path, taught: Path, good: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(bundle_path, tmp_path / "bundle")
    manifest = json.loads((copy / "manifest.json").read_text())
    (copy / "manifest.json").write_text(json.dumps({**manifest, "format_version": 9}))
    done = run_program("--source", good, "--recipe", taught, "--bundle", copy)
    assert_one_clear_line(done, "format version 9", "upgrade res2clip")


def test_recipe_of_another_encoder(
    bundle_path: Path, recipe: Recipe, good: Path, tmp_path: Path
) -> None:
    recipe.save(tmp_path / "other")
    done = run_program("--source", good, "--recipe", tmp_path / "other", "--bundle", bundle_path)
    assert_one_clear_line(done, "belongs to encoder", "teach the product again")


def test_damaged_recipe(bundle_path: Path, taught: Path, good: Path, tmp_path: Path) -> None:
    data = taught.read_bytes()
    (tmp_path / "cut").write_bytes(data[: len(data) // 2])
    done = run_program("--source", good, "--recipe", tmp_path / "cut", "--bundle", bundle_path)
    assert_one_clear_line(done, "is truncated")


def test_missing_recipe_and_source(bundle_path: Path, taught: Path, good: Path) -> None:
    done = run_program("--source", good, "--recipe", "nowhere", "--bundle", bundle_path)
    assert_one_clear_line(done, "no recipe at nowhere", "res2clip teach")
    done = run_program("--source", "nowhere", "--recipe", taught, "--bundle", bundle_path)
    assert_one_clear_line(done, "nowhere", "check the path")


def test_missing_camera(taught: Path, bundle_path: Path) -> None:
    pytest.importorskip("cv2", reason="the extra 'camera' is not installed")
    done = run_program("--camera", "77", "--recipe", taught, "--bundle", bundle_path)
    assert_one_clear_line(done, "there is no camera 77")


def test_network_stream_that_nobody_sends(taught: Path, bundle_path: Path) -> None:
    pytest.importorskip("av", reason="the extra 'video' is not installed")
    place = ("--source", "rtsp://line:secret@127.0.0.1:1/cam")
    done = run_program(*place, "--recipe", taught, "--bundle", bundle_path)
    assert_one_clear_line(done, "rtsp://127.0.0.1:1/cam cannot be opened: Connection refused")


def test_address_of_no_pictures(taught: Path, bundle_path: Path) -> None:
    place = ("--source", "ftp://camera/1")
    done = run_program(*place, "--recipe", taught, "--bundle", bundle_path)
    assert_one_clear_line(done, "ftp:// is nothing that gives pictures", "rtsp")


@pytest.mark.parametrize("kind", ["truncated", "undecodable", "animated", "tiny"])
def test_unusable_picture_is_refused_when_teaching(
    bundle_path: Path, good: Path, tmp_path: Path, kind: str
) -> None:
    path = good / "bad.png"
    noise = np.random.default_rng(0).integers(0, 256, (99, 99, 3)).astype(np.uint8)
    frames = [Image.fromarray(np.roll(noise, i, axis=0)) for i in range(2)]
    if kind == "animated":
        frames[0].save(path, save_all=True, append_images=frames[1:])
    else:
        frames[0].resize((16, 16) if kind == "tiny" else (99, 99)).save(path)
    if kind == "truncated":
        path.write_bytes(path.read_bytes()[:5000])
    elif kind == "undecodable":
        path.write_bytes(b"junk")
    out = tmp_path / "a"
    done = run_program("teach", "--product", "w", good, "--bundle", bundle_path, "--out", out)
    assert_one_clear_line(done, "bad.png")
    assert not out.exists()


@pytest.mark.parametrize("kind", ["truncated", "undecodable", "tiny"])
def test_unusable_picture_is_an_error_when_inspecting(
    bundle_path: Path, taught: Path, good: Path, kind: str
) -> None:
    path = good / "bad.png"
    Image.fromarray(draw_part(8, size_px=(16, 16) if kind == "tiny" else (99, 99))).save(path)
    if kind != "tiny":
        path.write_bytes(path.read_bytes()[:900] if kind == "truncated" else b"junk")
    done = run_program("--source", good, "--recipe", taught, "--bundle", bundle_path, "--json")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    *verdicts, summary = [json.loads(line) for line in done.stdout.splitlines()]
    assert [v["decision"] for v in verdicts][-1] == "ERROR"
    assert "bad.png" in verdicts[-1]["reason"]
    assert summary["summary"]["error"] == 1


def test_full_disk_while_writing_results(
    bundle_path: Path, taught: Path, small_disk: Path, tmp_path: Path
) -> None:
    parts = save_parts(tmp_path / "parts", 40, scratched=True)
    arguments = ("--recipe", taught, "--bundle", bundle_path, "--out", small_disk / "out")
    done = run_program("--source", parts, *arguments, "--pictures", "all")
    assert_one_clear_line(done, "No space left on device", "free some space")
    lines = (small_disk / "out" / "results.jsonl").read_text().splitlines()
    assert 0 < len(lines) < 40
    assert [json.loads(line)["frame_id"] for line in lines] == [
        f"{i:03}.png" for i in range(len(lines))
    ]
    for path in small_disk.rglob("*.jpg"):
        with Image.open(path) as picture:
            picture.load()
    assert "pictures of 'washer'" in done.stdout


def test_full_disk_while_teaching_keeps_the_old_recipe(
    bundle_path: Path, small_disk: Path, good: Path, tmp_path: Path
) -> None:
    path = small_disk / "a.recipe.safetensors"
    arguments = ("--bundle", bundle_path, "--out", path)
    assert run_program("teach", "--product", "w", good, *arguments).returncode == 0
    before = path.read_bytes()
    (small_disk / "ballast").write_bytes(b"x" * (os.statvfs(small_disk).f_bavail * 4096 - 4096))
    done = run_program("teach", "--product", "w", good, *arguments, "--force")
    assert_one_clear_line(done, "No space left on device")
    assert path.read_bytes() == before


def test_teaching_does_not_replace_a_recipe_unasked(
    bundle_path: Path, good: Path, tmp_path: Path
) -> None:
    path = tmp_path / "a.recipe.safetensors"
    arguments = ("--bundle", bundle_path, "--out", path)
    assert run_program("teach", "--product", "w", good, *arguments).returncode == 0
    before = path.read_bytes()
    done = run_program("teach", "--product", "v", good, *arguments)
    assert_one_clear_line(done, "is there already", "--add", "--force")
    assert path.read_bytes() == before
    assert run_program("teach", "--product", "v", good, *arguments, "--force").returncode == 0
    assert path.read_bytes() != before


def test_place_that_cannot_be_written(
    bundle_path: Path, taught: Path, good: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    arguments = ("--recipe", taught, "--bundle", bundle_path, "--out", tmp_path / "file" / "out")
    assert_one_clear_line(run_program("--source", good, *arguments), "cannot write")


def start(parts: Path, out: Path, taught: Path, bundle: Path) -> subprocess.Popen[str]:
    """Start a long run and return once it has written some results."""
    arguments = ["--source", parts, "--recipe", taught, "--bundle", bundle, "--out", out]
    process = subprocess.Popen(
        [*PROGRAM, *map(str, arguments), "--pictures", "all", "--threads", "1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        results = out / "results.jsonl"
        if results.exists() and results.read_bytes().count(b"\n") >= 5:
            return process
        time.sleep(0.01)
    process.kill()
    raise AssertionError(f"the run wrote nothing: {process.communicate()}")


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """So many pictures that a run is caught in the middle; one file under many names."""
    folder = save_parts(tmp_path / "many", 1)
    for index in range(1, 3000):
        os.link(folder / "000.png", folder / f"{index:04}.png")
    return folder


def test_killed_run_is_followed_by_a_good_one(
    bundle_path: Path, taught: Path, many: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    process = start(many, out, taught, bundle_path)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    kept = (out / "results.jsonl").read_bytes().count(b"\n")
    assert 5 <= kept < 3000
    with (out / "results.jsonl").open("ab") as file:
        file.write(b'{"frame_id": "torn')
    parts = save_parts(tmp_path / "parts", 2, first_seed=10)
    done = run_program("--source", parts, "--recipe", taught, "--bundle", bundle_path, "--out", out)
    assert done.returncode == 0, done.stderr
    assert "torn line" in done.stderr
    lines = [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]
    assert len(lines) == kept + 2
    assert [line["decision"] for line in lines[-2:]] == ["OK", "OK"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_run_ends_with_a_summary(
    bundle_path: Path, taught: Path, many: Path, tmp_path: Path, number: signal.Signals
) -> None:
    out = tmp_path / "out"
    process = start(many, out, taught, bundle_path)
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=30)
    assert process.returncode == 0, stderr
    assert "Traceback" not in stderr
    head = next(line for line in stdout.splitlines() if "pictures of 'washer'" in line)
    written = (out / "results.jsonl").read_text().splitlines()
    assert head.startswith(f"{len(written)} pictures of")
    assert "stopped before the end" in head
    assert json.loads(written[-1])["frame_id"]
    assert len(list(out.rglob("*.jpg"))) == len(written)
    assert [line.split()[0] for line in stdout.splitlines() if line.startswith("total")]


def test_reader_that_goes_away_is_no_traceback(bundle_path: Path, taught: Path, many: Path) -> None:
    command = [*PROGRAM, "--source", str(many), "--recipe", str(taught), "--json"]
    process = subprocess.Popen(
        [*command, "--bundle", str(bundle_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    stderr = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=30) == 1
    assert "Traceback" not in stderr


def test_path_that_is_too_long_is_one_clear_line(bundle_path: Path, taught: Path) -> None:
    done = run_program("--source", "x" * 400, "--recipe", taught, "--bundle", bundle_path)
    assert_one_clear_line(done, "too long")
