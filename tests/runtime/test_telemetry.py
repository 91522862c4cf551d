from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    "command", ["doctor", "teach --backend onnxruntime", "teach --backend openvino"]
)
def test_no_command_leaves_a_trace_outside_its_output(
    tmp_path: Path, good: Path, bundle_path: Path, command: str
) -> None:
    """The engines would write a device identifier into the home folder, and send events."""
    home = tmp_path / "home"
    home.mkdir()
    options = ["--product", "w", good, "--bundle", bundle_path, "--out", tmp_path / "a"]
    arguments = [*command.split(), *(map(str, options) if "teach" in command else [])]
    hidden = ("ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME", "XDG_DATA_HOME")
    environment = {name: v for name, v in os.environ.items() if name not in hidden}
    done = subprocess.run(
        [sys.executable, "-m", "res2clip_runtime.cli", *arguments],
        env={**environment, "HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert list(home.rglob("*")) == []
