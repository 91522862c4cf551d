"""What the runtime's tests share; nothing here needs torch."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from drawn_parts import draw_part, save_parts
from numpy_model import NumpyModel

from res2clip_runtime.backends.telemetry import forbid_telemetry
from res2clip_runtime.recipe import Recipe
from res2clip_runtime.teaching import teach

forbid_telemetry()
TINY_BUNDLE = Path(__file__).parent / "data" / "tiny_bundle"


@pytest.fixture(autouse=True)
def _own_data_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep bundles that are installed on this machine out of the tests."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data-home"))
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
def model() -> NumpyModel:
    return NumpyModel()


@pytest.fixture(scope="session")
def recipe() -> Recipe:
    """The drawn part, taught to the NumPy model with four good pictures."""
    return teach(NumpyModel(), [draw_part(seed) for seed in range(4)], product="washer").recipe


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return save_parts(tmp_path / "good", 4)


@pytest.fixture
def bundle_path() -> Path:
    return TINY_BUNDLE


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 kB."""
    place = tmp_path / "small-disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(place)]
    if os.geteuid() or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting a tmpfs is not permitted here, so there is no disk to fill")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)
