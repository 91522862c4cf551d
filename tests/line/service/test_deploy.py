"""The systemd unit, as systemd itself reads it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from res2clip_runtime.cli.app import app

DEPLOY = Path(__file__).parents[3] / "deploy"
UNIT = DEPLOY / "res2clip-run.service"


def settings() -> dict[str, str]:
    lines = [line for line in UNIT.read_text().splitlines() if line and line[0] not in "#["]
    return dict(line.split("=", 1) for line in lines)


def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed (apt-get install systemd)")
    program = settings()["ExecStart"].split()[0]
    (tmp_path / UNIT.name).write_text(UNIT.read_text().replace(program, "/bin/true"))
    done = subprocess.run(
        ["systemd-analyze", "verify", str(tmp_path / UNIT.name)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_unit_is_of_the_kind_that_the_program_speaks() -> None:
    found = settings()
    assert (found["Type"], found["Restart"], found["NotifyAccess"]) == ("notify", "always", "main")
    assert int(found["WatchdogSec"]) > 0
    assert int(found["TimeoutStopSec"]) > 2 * 5  # drain_s twice


def test_flags_of_the_unit_exist(tmp_path: Path) -> None:
    _, *flags = settings()["ExecStart"].split()
    flags[flags.index("--config") + 1] = str(tmp_path / "none.toml")
    done = CliRunner().invoke(app, flags)
    assert done.exit_code == 1
    assert "there is no configuration at" in done.stderr


def test_udev_rules_are_complete_lines() -> None:
    for path in (DEPLOY / "udev").glob("*.rules"):
        for line in path.read_text().splitlines():
            if line and not line.startswith("#"):
                assert line.count('"') % 2 == 0
                assert all("=" in part for part in line.split(", "))
