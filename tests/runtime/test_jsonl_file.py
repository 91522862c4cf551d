from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from res2clip_runtime.errors import OutputError
from res2clip_runtime.inspection import error_verdict
from res2clip_runtime.sinks import JsonlFile


def write(path: Path, *names: str) -> None:
    sink = JsonlFile(path)
    for name in names:
        sink.write(error_verdict(name, "washer", "because"), None)
    sink.close()


def names_in(path: Path) -> list[str]:
    data = path.read_bytes()
    assert not data or data.endswith(b"\n")
    return [json.loads(line)["frame_id"] for line in data.splitlines()]


def test_one_line_a_verdict(tmp_path: Path) -> None:
    write(tmp_path / "new" / "results.jsonl", "a", "b\nc", "Ø 垫")
    assert names_in(tmp_path / "new" / "results.jsonl") == ["a", "b\nc", "Ø 垫"]


def test_second_run_appends(tmp_path: Path) -> None:
    write(tmp_path / "r", "a")
    write(tmp_path / "r", "b")
    assert names_in(tmp_path / "r") == ["a", "b"]


@pytest.mark.parametrize("torn", ['{"frame_id": "c", "prod', "{", '"', "\0" * 5000, "é" * 70_000])
def test_torn_last_line_is_removed_and_said(
    tmp_path: Path, torn: str, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path / "r", "a", "b")
    with (tmp_path / "r").open("a", encoding="utf-8") as file:
        file.write(torn)
    write(tmp_path / "r", "c")
    assert names_in(tmp_path / "r") == ["a", "b", "c"]
    assert "torn line" in caplog.text


def test_file_of_one_torn_line_starts_anew(tmp_path: Path) -> None:
    (tmp_path / "r").write_text('{"frame')
    write(tmp_path / "r", "a")
    assert names_in(tmp_path / "r") == ["a"]


def test_whole_last_line_without_its_newline_is_kept(tmp_path: Path) -> None:
    (tmp_path / "r").write_text('{"frame_id": "a"}')
    write(tmp_path / "r", "b")
    assert names_in(tmp_path / "r") == ["a", "b"]


def test_torn_end_inside_a_character_is_removed(tmp_path: Path) -> None:
    (tmp_path / "r").write_bytes(b'{"frame_id": "a"}\n{"frame_id": "\xe5\x9e')
    write(tmp_path / "r", "b")
    assert names_in(tmp_path / "r") == ["a", "b"]


def test_lines_are_in_the_file_before_it_is_closed(tmp_path: Path) -> None:
    sink = JsonlFile(tmp_path / "r")
    sink.write(error_verdict("a", "washer", ""), None)
    assert names_in(tmp_path / "r") == ["a"]
    sink.close()


def test_two_runs_do_not_write_one_file(tmp_path: Path) -> None:
    sink = JsonlFile(tmp_path / "r")
    with pytest.raises(OutputError, match="another run is writing"):
        JsonlFile(tmp_path / "r")
    sink.close()
    write(tmp_path / "r", "a")


def test_closing_twice_does_nothing(tmp_path: Path) -> None:
    sink = JsonlFile(tmp_path / "r")
    sink.close()
    sink.close()


def test_full_disk_ends_in_a_whole_line_and_loses_none(small_disk: Path) -> None:
    path = small_disk / "results.jsonl"
    sink = JsonlFile(path)
    written = 0
    with pytest.raises(OutputError, match="No space left on device; free some space"):
        for written in range(10_000):
            sink.write(error_verdict(str(written), "washer", "x" * 100), None)
    sink.close()
    assert written > 100
    assert names_in(path) == [str(i) for i in range(written)]


def test_writing_goes_on_when_the_disk_has_space_again(small_disk: Path) -> None:
    path, ballast = small_disk / "results.jsonl", small_disk / "ballast"
    write(path, "a")
    ballast.write_bytes(b"x" * (os.statvfs(small_disk).f_bavail * 4096))
    sink = JsonlFile(path)
    with pytest.raises(OutputError):
        for _ in range(100):
            sink.write(error_verdict("b", "washer", "x" * 200), None)
    before = names_in(path)
    ballast.unlink()
    sink.write(error_verdict("c", "washer", ""), None)
    sink.close()
    assert names_in(path) == [*before, "c"]


def test_folder_in_the_way_is_refused(tmp_path: Path) -> None:
    (tmp_path / "r").mkdir()
    with pytest.raises(OutputError, match="cannot write"):
        JsonlFile(tmp_path / "r")
