"""A build by TensorRT for RTX in a process of its own.

It has been seen to end the whole process (release 1.7, after a failed build and on some graphs).
``build_process`` is the other side.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import Any

from res2clip_runtime.errors import BackendError, InputError
from res2clip_runtime.tensorrt.build_progress import Progress
from res2clip_runtime.tensorrt.builder import BuiltEngine
from res2clip_runtime.tensorrt.engine_job import EngineJob
from res2clip_runtime.tensorrt.stored_engine import StoredEngine

__all__ = ["build_in_process"]

TURING = "sm75"
"""TensorRT for RTX multiplies no fp32 matrices there."""


def build_in_process(
    job: EngineJob,
    architecture: str,
    *,
    keep_log: Callable[[str], None] = lambda text: None,
    progress: Progress = lambda what, done, total: None,
) -> BuiltEngine:
    """Return the engine of a job, built in a process of its own.

    Args:
        job: graph and limits.
        architecture: of the card, such as ``sm86``.
        keep_log: called with what TensorRT said, also when it refused.
        progress: told how far the build is.

    Raises:
        InputError: the architecture is not known.
        BackendError: TensorRT refused, or crashed.
    """
    with TemporaryDirectory(prefix="res2clip-engine-") as folder:
        request: dict[str, Any] = {
            "job": job.to_json(),
            "architecture": architecture,
            "folder": folder,
        }
        files = StoredEngine(Path(folder), job.stage)
        try:
            ended = _run_process(request, progress)
        finally:
            if files.log.is_file():
                keep_log(files.log.read_text(encoding="utf-8"))
        if "error" in ended:
            raise _refusal(ended, architecture)
        return BuiltEngine(plan=files.plan.read_bytes(), typing="strong", timing_cache=None)


def _refusal(ended: dict[str, str], architecture: str) -> InputError | BackendError:
    if ended["error"] == "InputError":
        return InputError(ended["message"])
    # Seen with release 1.7, of every bundle: match and heads are fp32 in all of them.
    turing = "; on a Turing card use --backend tensorrt or onnxruntime-cuda"
    return BackendError(ended["message"] + (turing if architecture == TURING else ""))


def _run_process(request: dict[str, Any], progress: Progress) -> dict[str, str]:
    """Return the last line of the process, which is its result, having told its progress."""
    command = [sys.executable, "-m", "res2clip_runtime.tensorrt.build_process"]
    said: dict[str, str] = {}
    with (
        TemporaryFile("w+") as complaints,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=complaints, text=True
        ) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(request))
        process.stdin.close()
        for line in process.stdout:
            said = json.loads(line)
            if "what" in said:
                progress(said["what"], int(said["done"]), int(said["total"]))
        process.wait()
        complaints.seek(0)
        complaint = complaints.read()
    if "result" in said or "error" in said:
        return said
    last = complaint.strip().splitlines()[-1:] or ["no word"]
    raise BackendError(
        f"TensorRT for RTX ended with exit code {process.returncode} while building ({last[0]}); "
        "export in fp32 or report the graph"
    )
