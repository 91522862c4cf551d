"""Cameras and streams without a configuration file."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from drawn_parts import save_parts
from line.components.child import free_port
from line.components.mjpeg_server import MjpegServer
from line.components.running_line import PROGRAM, search_path


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": search_path(), "COLUMNS": "200"},
    )


@pytest.fixture
def flags(recipe_file: Path, bundle: Path) -> list[object]:
    return ["--recipe", recipe_file, "--bundle", bundle, "--threads", 1]


@pytest.mark.parametrize("flag", ["--camera", "--source"])
def test_stream_is_inspected_until_the_limit_with_a_summary(
    flags: list[object], tmp_path: Path, flag: str
) -> None:
    pytest.importorskip("av", reason="the extra 'video' is not installed")
    out = tmp_path / "out"
    with MjpegServer(save_parts(tmp_path / "film", 4, first_seed=10)) as server:
        done = run(flag, server.url, *flags, "--limit", 4, "--out", out, "--pictures", "all")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines[:4]] == ["OK"] * 4
    assert lines[4] == "4 pictures of 'washer': 4 OK, 0 NG, 0 ERROR"
    assert done.stderr.count("uncalibrated") == 1
    assert len((out / "results.jsonl").read_text().splitlines()) == 4
    assert len(list((out / "pictures").rglob("*.jpg"))) == 4


def test_json_is_a_line_a_verdict_and_the_summary(flags: list[object], tmp_path: Path) -> None:
    pytest.importorskip("av", reason="the extra 'video' is not installed")
    with MjpegServer(save_parts(tmp_path / "film", 2, first_seed=10)) as server:
        done = run("--camera", server.url, *flags, "--limit", 3, "--json")
    *verdicts, summary = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(verdicts) == summary["summary"]["frames"] == 3


def test_camera_that_is_not_there_ends_with_one_line(flags: list[object]) -> None:
    pytest.importorskip("av", reason="the extra 'video' is not installed")
    done = run("--camera", f"http://127.0.0.1:{free_port()}/stream.mjpg", *flags)
    assert done.returncode == 1
    assert [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert "Traceback" not in done.stderr


def test_software_trigger_needs_somebody_who_triggers(flags: list[object]) -> None:
    done = run("--camera", "0", *flags, "--trigger", "software")
    assert done.returncode == 2
    assert "[modbus] or [web]" in done.stderr


def test_input_trigger_of_a_source_without_inputs_is_refused(
    flags: list[object], parts: Path
) -> None:
    for source in (parts, "http://127.0.0.1:9/x", "0"):
        done = run("--source", source, *flags, "--trigger", "line0")
        assert (done.returncode, "has no trigger" in done.stderr) == (1, True), done.stderr
