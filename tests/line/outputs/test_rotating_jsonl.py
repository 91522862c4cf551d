from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from line_waiting import wait_until

from res2clip_runtime.errors import InputError, OutputError
from res2clip_runtime.inspection import error_verdict
from res2clip_runtime.sinks import Backoff, SinkWorker
from res2clip_runtime.sinks.rotating_jsonl import JsonlConfig, RotatingJsonl
from res2clip_runtime.verdict import Verdict

NOON = 1_790_000_000.0
DAY = 86_400.0


class Clock:
    def __init__(self, now: float = NOON) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def numbered(number: int) -> Verdict:
    return error_verdict(str(number), "washer", "because " * 20)


def finished(folder: Path) -> list[Path]:
    paths = folder.glob("results-????????T*-*.jsonl")
    return sorted(paths, key=lambda path: path.name.split("-")[2])


def names_in(path: Path) -> list[str]:
    """Every line is whole, as jq sees it where it is installed."""
    if shutil.which("jq"):
        seen = subprocess.run(
            ["jq", "-er", ".frame_id", str(path)], capture_output=True, text=True, check=False
        )
        assert seen.returncode in (0, 4), seen.stderr  # 4: no line at all
        return seen.stdout.splitlines()
    return [json.loads(line)["frame_id"] for line in path.read_bytes().splitlines()]


def all_names(folder: Path) -> list[str]:
    paths = [*finished(folder), folder / "results.jsonl"]
    return [name for path in paths for name in names_in(path)]


def test_a_full_file_is_followed_by_another_and_no_verdict_is_lost(tmp_path: Path) -> None:
    sink = RotatingJsonl(JsonlConfig(folder=tmp_path / "new", max_file_mb=0.002))
    for number in range(20):
        sink.write(numbered(number))
    sink.close()
    files = finished(tmp_path / "new")
    assert len(files) >= 3
    assert all(path.stat().st_size < 3000 for path in files)
    assert all_names(tmp_path / "new") == [str(number) for number in range(20)]


def test_each_day_has_its_own_file_even_across_a_restart(tmp_path: Path) -> None:
    clock, config = Clock(), JsonlConfig(folder=tmp_path)
    sink = RotatingJsonl(config, clock=clock)
    sink.write(numbered(0))
    sink.write(numbered(1))
    sink.close()
    os.utime(tmp_path / "results.jsonl", (NOON, NOON))
    clock.now += DAY
    sink = RotatingJsonl(config, clock=clock)
    sink.write(numbered(2))
    clock.now += DAY
    sink.write(numbered(3))
    sink.close()
    assert [names_in(path) for path in finished(tmp_path)] == [["0", "1"], ["2"]]
    assert names_in(tmp_path / "results.jsonl") == ["3"]


def test_a_clock_that_jumps_back_mixes_no_file_up(tmp_path: Path) -> None:
    clock = Clock()
    sink = RotatingJsonl(JsonlConfig(folder=tmp_path, max_file_mb=0.0001), clock=clock)
    for number in range(6):
        sink.write(numbered(number))
        clock.now -= 3600
    sink.close()
    assert all_names(tmp_path) == list("012345")


def test_retention_by_count_keeps_the_newest_and_deletes_nothing_else(tmp_path: Path) -> None:
    foreign = [
        tmp_path / name
        for name in ("results-old.jsonl", "results-20260101T000000-000001.jsonl.bak", "notes.txt")
    ]
    for path in foreign:
        path.write_text("mine")
    config = JsonlConfig(folder=tmp_path, max_file_mb=0.0001, keep_files=3)
    sink = RotatingJsonl(config)
    for number in range(10):
        sink.write(numbered(number))
    sink.close()
    kept = [path for path in finished(tmp_path) if path not in foreign]
    assert [names_in(path) for path in kept] == [["6"], ["7"], ["8"]]
    assert all(path.read_text() == "mine" for path in foreign)


def test_retention_by_age_spares_files_of_an_unset_clock(tmp_path: Path) -> None:
    clock = Clock()
    config = JsonlConfig(folder=tmp_path, max_file_mb=0.0001, keep_days=2, keep_files=0)
    sink = RotatingJsonl(config, clock=clock)
    for number in range(4):
        sink.write(numbered(number))
    ages = (5 * DAY, NOON - 60.0, DAY)  # too old, written in 1970, young
    for path, age in zip(finished(tmp_path), ages, strict=True):
        os.utime(path, (NOON - age, NOON - age))
    sink.write(numbered(4))
    sink.close()
    assert all_names(tmp_path) == ["1", "2", "3", "4"]


def test_a_full_disk_is_survived_reported_and_nothing_is_torn(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(200_000))
    sink = RotatingJsonl(JsonlConfig(folder=small_disk, max_file_mb=0.02))
    with SinkWorker(
        sink, name="jsonl", capacity=1000, backoff=Backoff(first_s=0.01, most_s=0.05)
    ) as worker:
        for number in range(300):
            worker.offer(numbered(number), None)
        wait_until(lambda: worker.health.state == "failing")
        assert "No space left" in worker.health.reason
        assert "free some space" in worker.health.reason
        before = all_names(small_disk)
        assert 0 < len(before) < 300
        assert before == [str(number) for number in range(len(before))]
        ballast.unlink()
        wait_until(lambda: worker.health.written == 300)
        assert (worker.health.state, worker.health.dropped) == ("ok", 0)
    assert all_names(small_disk) == [str(number) for number in range(300)]


def test_a_disk_that_becomes_read_only_is_reported_and_gone_on_with(small_disk: Path) -> None:
    def remount(how: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{how}", str(small_disk)], check=True)

    sink = RotatingJsonl(JsonlConfig(folder=small_disk, max_file_mb=0.0001))
    with SinkWorker(sink, name="jsonl", backoff=Backoff(first_s=0.01, most_s=0.05)) as worker:
        worker.offer(numbered(0), None)
        wait_until(lambda: worker.health.written == 1)
        sink.close()  # a file that is open for writing would keep the disk writable
        remount("ro")
        worker.offer(numbered(1), None)
        wait_until(lambda: worker.health.state == "failing")
        assert "read-only" in worker.health.reason
        with pytest.raises(OutputError, match="read-only"):
            RotatingJsonl(JsonlConfig(folder=small_disk / "other"))
        remount("rw")
        wait_until(lambda: worker.health.state == "ok")
    assert all_names(small_disk) == ["0", "1"]


def test_killed_at_a_random_moment_twenty_times_no_line_is_torn(tmp_path: Path) -> None:
    rng = random.Random(7)
    program = [sys.executable, str(Path(__file__).with_name("write_lines.py"))]
    folders = [tmp_path / str(number) for number in range(20)]

    def write_and_kill(folder: Path, moment_s: float) -> None:
        with subprocess.Popen([*program, str(folder)], stdout=subprocess.PIPE) as process:
            assert process.stdout
            process.stdout.readline()
            time.sleep(moment_s)  # the random moment itself, nothing waits for it
            process.kill()

    for batch in range(0, 20, 4):  # starting Python is most of the work
        threads = [
            threading.Thread(target=write_and_kill, args=(folder, rng.uniform(0.0, 0.15)))
            for folder in folders[batch : batch + 4]
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    rotated = 0
    for folder in folders:
        RotatingJsonl(JsonlConfig(folder=folder)).close()  # the restart recovers
        names = all_names(folder)
        assert names == [str(number) for number in range(len(names))]
        rotated += len(finished(folder)) > 0
    assert rotated


def test_a_second_line_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    sink = RotatingJsonl(JsonlConfig(folder=tmp_path))
    with pytest.raises(OutputError, match="another run is writing"):
        RotatingJsonl(JsonlConfig(folder=tmp_path))
    sink.close()


@pytest.mark.parametrize(
    ("field", "value"),
    [("max_file_mb", 0), ("max_file_mb", float("nan")), ("keep_files", -1), ("keep_days", -1)],
)
def test_a_setting_that_makes_no_sense_is_named(field: str, value: float) -> None:
    with pytest.raises(InputError, match=rf"jsonl\.{field} is "):
        JsonlConfig(folder=Path("x"), **{field: value})
