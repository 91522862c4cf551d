"""What the tests in virtual machines share: a recipe, and the measured times at the end."""

from __future__ import annotations

from pathlib import Path

import pytest
from drawn_parts import draw_part

from res2clip_runtime.bundle import Bundle
from res2clip_runtime.inspector import Inspector

_measured: dict[str, dict[str, float]] = {}


@pytest.fixture(scope="session")
def bundle() -> Path:
    return Path(__file__).parents[1] / "runtime" / "data" / "tiny_bundle"


@pytest.fixture(scope="session")
def recipe_file(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recipe") / "washer.recipe.safetensors"
    with Inspector(Bundle.load(bundle), threads=1) as inspector:
        inspector.teach([draw_part(seed) for seed in range(4)], product="washer").save(path)
    return path


@pytest.fixture
def measured():
    """Return a function that keeps a fault's times for the table at the end."""

    def keep(fault: str, **seconds: float) -> None:
        _measured[fault] = seconds

    return keep


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _measured:
        terminalreporter.section("measured in virtual machines")
    for fault, seconds in _measured.items():
        times = ", ".join(f"{name} {value:.2f} s" for name, value in seconds.items())
        terminalreporter.write_line(f"{fault}: {times}")
