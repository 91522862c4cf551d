"""A line that is ended like systemd's watchdog ends it."""

from __future__ import annotations

import json
import signal
from pathlib import Path

from line.components.running_line import RunningLine, write_config


def test_line_that_is_aborted_says_where_each_thread_was(
    tmp_path: Path, recipe_file: Path, bundle: Path
) -> None:
    incoming = tmp_path / "incoming"
    incoming.mkdir()
    camera = f"[[camera]]\nsource = {json.dumps(f'watch:{incoming}')}"
    config = write_config(tmp_path / "line", camera, recipe=recipe_file, bundle=bundle)
    with RunningLine(config) as line:
        line.await_log("started, washer")
        line.process.send_signal(signal.SIGABRT)
        assert line.wait() == -signal.SIGABRT
        told = line.log.partition("Fatal Python error: Aborted")[2]
    assert "in keep_house" in told, "the main thread"
    assert "in _inspect" in told, "the inspection"
