"""The other side of ``isolated_build``: reads a job from stdin, writes JSON lines to stdout."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from res2clip_runtime.errors import Res2ClipError
from res2clip_runtime.tensorrt.build_log import BuildLog
from res2clip_runtime.tensorrt.builder import build_engine
from res2clip_runtime.tensorrt.engine_job import EngineJob
from res2clip_runtime.tensorrt.library import RTX, load_library
from res2clip_runtime.tensorrt.stored_engine import StoredEngine


def main() -> None:
    """Build one engine into the folder that the request names."""
    request = json.load(sys.stdin)
    _say(_result(request))
    # TensorRT for RTX 1.7 has crashed while the interpreter takes itself down after a failed build.
    os._exit(0)


def _result(request: dict[str, Any]) -> dict[str, Any]:
    job = EngineJob.from_json(request["job"])
    files = StoredEngine(Path(request["folder"]), job.stage)
    try:
        library = load_library(RTX)
        log = BuildLog(library)
        try:
            built = build_engine(
                library, job, log=log, architecture=request["architecture"], progress=_progress
            )
        finally:
            files.log.write_text(log.text, encoding="utf-8")
    except Res2ClipError as err:
        return {"error": type(err).__name__, "message": str(err)}
    files.plan.write_bytes(built.plan)
    return {"result": "built"}


def _progress(what: str, done: int, total: int) -> None:
    _say({"what": what, "done": done, "total": total})


def _say(line: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
