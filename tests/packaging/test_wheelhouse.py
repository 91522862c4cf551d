"""A machine without internet installs from the wheelhouse, and from nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from other_pythons import own_environment

ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.slow, pytest.mark.network]


@pytest.fixture(scope="module")
def wheelhouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("air-gap") / "wheelhouse"
    done = gather("--extras", "cpu", "--out", folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{folder}: ")
    return folder


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("box") / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    return folder


def gather(*options: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, ROOT / "deploy" / "wheelhouse.py", *options]
    return subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False)


def install(box: Path, wheelhouse: Path) -> subprocess.CompletedProcess[str]:
    """Run the documented command; nothing of this machine's pip settings reaches it."""
    command = [box / "bin" / "pip", "install", "--quiet", "--no-index"]
    command += ["--find-links", wheelhouse, "--require-hashes"]
    command += ["-r", wheelhouse / "requirements.txt"]
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PIP_", "PYTHON"))}
    return subprocess.run(
        [str(part) for part in command],
        env={**environment, "PIP_CONFIG_FILE": os.devnull},
        capture_output=True,
        text=True,
        check=False,
    )


def test_changed_wheel_is_refused_and_the_whole_one_runs(wheelhouse: Path, box: Path) -> None:
    (own,) = wheelhouse.glob("res2clip-*.whl")
    whole = own.read_bytes()
    own.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    refused = install(box, wheelhouse)
    assert refused.returncode != 0
    assert "DO NOT MATCH THE HASHES" in refused.stderr
    own.write_bytes(whole)
    done = install(box, wheelhouse)
    assert done.returncode == 0, done.stderr
    doctor = subprocess.run(
        [str(box / "bin" / "res2clip-run"), "doctor"],
        env=own_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert doctor.returncode == 0, doctor.stdout
    assert "ran a graph" in doctor.stdout


def test_folder_with_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.docx").write_text("do not lose")
    done = gather("--out", tmp_path)
    assert done.returncode == 1
    assert "thesis.docx" in done.stderr
    assert (tmp_path / "thesis.docx").exists()
