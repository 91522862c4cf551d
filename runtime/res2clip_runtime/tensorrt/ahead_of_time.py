"""TensorRT-RTX engines built on any CPU, for a card that is elsewhere.

TensorRT for RTX has been seen to end the whole process (release 1.7, after a failed build and on
some graphs), so each stage is built in a process of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import Any

from res2clip_runtime.bundle import Bundle
from res2clip_runtime.errors import BackendError, InputError
from res2clip_runtime.tensorrt.build_progress import Progress
from res2clip_runtime.tensorrt.builder import BuiltEngine
from res2clip_runtime.tensorrt.engine_cache import EngineCache, StoredEngine
from res2clip_runtime.tensorrt.engine_job import EngineJob, EngineLimits
from res2clip_runtime.tensorrt.library import RTX, load_library

__all__ = ["AheadOfTime", "build_ahead", "build_in_process", "parse_target"]

TURING = "sm75"
"""TensorRT for RTX multiplies no fp32 matrices there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AheadOfTime:
    """What a build in a process of its own left."""

    plan: bytes
    """The engine."""
    log: str
    """What TensorRT said."""
    seconds: float
    """How long it took."""


def parse_target(text: str) -> str:
    """Return the architecture in ``rtx:sm86``.

    Raises:
        InputError: it is not of this form.
    """
    library, _, architecture = text.partition(":")
    if library != "rtx" or not architecture.startswith("sm"):
        raise InputError(f"'{text}' (--trt-target) is no target; give for example rtx:sm86")
    return architecture


def build_ahead(
    bundle: Bundle,
    architecture: str,
    limits: EngineLimits | None = None,
    *,
    progress: Progress | None = None,
) -> EngineCache:
    """Return the cache with every engine of ``bundle`` for an architecture, built where need be.

    Args:
        bundle: the exported model.
        architecture: of the card, such as ``sm86``.
        limits: what they must be built for; None: engines that are there are taken as they are.
        progress: told how far each build is.

    Raises:
        MissingExtraError: TensorRT for RTX is not installed.
        InputError: it does not know the architecture.
        BackendError: it refused a stage, or crashed.
        OutputError: the engines could not be written.
    """
    library = load_library(RTX)
    library.check_target(architecture)
    cache = EngineCache(bundle, library, architecture=architecture)
    tell = progress or (lambda what, done, total: None)
    for stage in bundle.manifest.stages:
        if cache.find(stage, limits) is not None:
            continue
        job = EngineJob.of(bundle, stage, limits or EngineLimits())
        made = _built(job, architecture, lambda what, *n: tell(f"{what} for {architecture}", *n))
        built = BuiltEngine(plan=made.plan, typing="strong", timing_cache=None)
        cache.store(job, built, made.log, seconds=made.seconds)
    return cache


def _built(job: EngineJob, architecture: str, progress: Progress) -> AheadOfTime:
    try:
        return build_in_process(job, architecture, progress=progress)
    except BackendError as err:
        if architecture != TURING:
            raise
        # Seen with release 1.7, of every bundle: match and heads are fp32 in all of them.
        raise BackendError(
            f"{err}; on a Turing card use --backend tensorrt or onnxruntime-cuda"
        ) from err


def build_in_process(
    job: EngineJob,
    architecture: str,
    *,
    progress: Progress = lambda what, done, total: None,
) -> AheadOfTime:
    """Return what came of a job in a process of its own.

    Raises:
        InputError: the architecture is not known.
        BackendError: TensorRT refused, or crashed.
    """
    start = time.monotonic()
    with TemporaryDirectory(prefix="res2clip-engine-") as folder:
        request: dict[str, Any] = {
            "job": job.to_json(),
            "architecture": architecture,
            "folder": folder,
        }
        ended = _run_process(request, progress)
        files = StoredEngine(Path(folder), job.stage)
        log = files.log.read_text(encoding="utf-8") if files.log.is_file() else ""
        if "error" in ended:
            kind = InputError if ended["error"] == "InputError" else BackendError
            raise kind(ended["message"])
        return AheadOfTime(plan=files.plan.read_bytes(), log=log, seconds=time.monotonic() - start)


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
