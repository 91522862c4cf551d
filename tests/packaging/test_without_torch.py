"""The runtime from the wheel, in an environment that never saw torch or this repository."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.slow, pytest.mark.network]


def run(*command: object, cwd: Path, timeout: float = 600) -> str:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**environment, "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-6000:]
    return done.stdout


@pytest.fixture(scope="session")
def edge(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the wheel's ``[cpu,openvino,video,archive]``."""
    folder = tmp_path_factory.mktemp("edge")
    run(sys.executable, "-m", "venv", folder / "venv", cwd=folder)
    python = folder / "venv" / "bin" / "python"
    wanted = f"{wheel}[cpu,openvino,video,archive]"
    run(python, "-m", "pip", "install", "--quiet", wanted, cwd=folder)
    return folder


def test_both_commands_help_without_torch(edge: Path) -> None:
    bin_folder = edge / "venv" / "bin"
    assert "--recipe" in run(bin_folder / "res2clip-run", "--help", cwd=edge)
    assert "teach" in run(bin_folder / "res2clip", "--help", cwd=edge)
    assert "ran a graph" in run(bin_folder / "res2clip-run", "doctor", cwd=edge)


def test_parts_are_taught_inspected_and_scored_from_the_command_line(edge: Path) -> None:
    draw = (
        f"import pathlib, sys; sys.path.append({str(ROOT / 'tests')!r});"
        "import drawn_parts as d;"
        "d.save_parts(pathlib.Path('good'), 4); d.save_parts(pathlib.Path('new'), 3, first_seed=9);"
        "d.save_parts(pathlib.Path('new/bad'), 2, first_seed=20, scratched=True)"
    )
    run(edge / "venv" / "bin" / "python", "-c", draw, cwd=edge)
    program = edge / "venv" / "bin" / "res2clip-run"
    bundle = ROOT / "tests" / "runtime" / "data" / "tiny_bundle"
    taught = run(program, "teach", "--product", "washer", "good", "--bundle", bundle, cwd=edge)
    assert "saved: washer.recipe.safetensors" in taught
    recipe = "washer.recipe.safetensors"
    done = run(program, "--source", "new", "--recipe", recipe, "--bundle", bundle, cwd=edge)
    assert "5 pictures of 'washer': 3 OK, 2 NG, 0 ERROR" in done
    options = ["--recipe", recipe, "--bundle", bundle, "--out", "scores.parquet", "--workers", 2]
    scored = run(edge / "venv" / "bin" / "res2clip", "score", "new", *options, cwd=edge)
    assert scored.endswith("result: scores.parquet\n")


def test_runtime_tests_pass_from_the_wheel(edge: Path) -> None:
    python = edge / "venv" / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", "pytest", "hypothesis", "scipy", cwd=edge)
    where = run(python, "-c", "import res2clip_runtime as r; print(r.__file__)", cwd=edge)
    assert str(edge) in where
    absent = "import importlib.util as u, sys; sys.exit(bool(u.find_spec('torch')))"
    run(python, "-c", absent, cwd=edge)
    options = ["-q", "-p", "no:cacheprovider", "--rootdir", ROOT, "-c", ROOT / "pyproject.toml"]
    done = run(python, "-m", "pytest", *options, ROOT / "tests" / "runtime", cwd=edge)
    assert " passed" in done
