"""What the tests of the outputs share: verdicts of a real inspection, small disks, waiting."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from drawn_parts import draw_part
from small_line import SmallLine

from res2clip_runtime.inspector import Inspector
from res2clip_runtime.recipe import Recipe
from res2clip_runtime.verdict import Verdict


@pytest.fixture(scope="session")
def washer(inspector: Inspector) -> Recipe:
    return inspector.teach([draw_part(seed) for seed in range(3)], product="washer")


@pytest.fixture(scope="session")
def ng(inspector: Inspector, washer: Recipe) -> Verdict:
    verdict = inspector.inspect(draw_part(9, scratched=True), washer)
    assert verdict.decision.value == "NG"
    return verdict


@pytest.fixture(scope="session")
def ok(inspector: Inspector, washer: Recipe) -> Verdict:
    verdict = inspector.inspect(draw_part(0), washer)
    assert verdict.decision.value == "OK"
    return verdict


@pytest.fixture
def line(inspector: Inspector, washer: Recipe) -> Iterator[SmallLine]:
    """A line that sees a good part and knows washers and nuts."""
    nut = inspector.teach([draw_part(seed) for seed in range(3, 6)], product="nut")
    line = SmallLine(inspector, {"washer": washer, "nut": nut}, draw_part(0))
    yield line
    line.close()


def _mounted(place: Path, options: str) -> Iterator[Path]:
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
    if os.geteuid() or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting a tmpfs is not permitted here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 kB."""
    yield from _mounted(tmp_path / "small-disk", "size=256k")
