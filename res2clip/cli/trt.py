"""``res2clip export --trt``: TensorRT engines of a bundle; needs no torch."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from res2clip_runtime.cli.bundle_choice import choose_bundle
from res2clip_runtime.cli.engine_progress import engine_progress

if TYPE_CHECKING:
    from res2clip_runtime.tensorrt.engine_record import EngineRecord

__all__ = ["EngineRequest", "build_engines"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineRequest:
    """The options of ``--trt``."""

    bundle: Path | None
    """``--bundle``; None: the installed one."""
    targets: tuple[str, ...]
    """``--trt-target``; none: this device."""
    max_batch: int
    """``--trt-batch``."""
    shots: int
    """``--trt-shots``."""
    workspace_mib: int
    """``--trt-workspace``."""


def build_engines(request: EngineRequest, *, as_json: bool) -> str:
    """Return what is to be printed after building engines.

    Raises:
        ArtefactNotFoundError: there is no such bundle, or no single one is installed.
        MissingExtraError: TensorRT is not installed.
        InputError: a target is not known.
        BackendError: there is no GPU, or TensorRT refused.
        OutputError: the engines could not be written.
    """
    from res2clip_runtime.backends.tensorrt_stages import provide_engines
    from res2clip_runtime.tensorrt import EngineLimits
    from res2clip_runtime.tensorrt.ahead_of_time import build_ahead, parse_target

    limits = EngineLimits(
        max_batch=request.max_batch, shots=request.shots, workspace_mib=request.workspace_mib
    )
    architectures = [parse_target(target) for target in request.targets]
    bundle = choose_bundle(request.bundle)
    with engine_progress() as progress:
        if architectures:
            caches = [build_ahead(bundle, a, limits, progress=progress) for a in architectures]
        else:
            caches = [provide_engines(bundle, limits, progress=progress)]
    engines = [engine for cache in caches for engine in cache.records()]
    return _json_text(engines) if as_json else _text(engines)


def _json_text(engines: list[tuple[Path, EngineRecord]]) -> str:
    return json.dumps(
        {"engines": [{"file": str(plan), **json.loads(r.to_json())} for plan, r in engines]}
    )


def _text(engines: list[tuple[Path, EngineRecord]]) -> str:
    lines, folder = [], None
    for plan, record in engines:
        if plan.parent != folder:
            folder = plan.parent
            lines.append(f"engines  {folder}")
        lines.append(
            f"  {record.stage:8} {plan.stat().st_size / 1e6:7.1f} MB  {record.precision}, up to "
            f"{record.max_batch} pictures and {record.max_references} reference patches, "
            f"built in {record.build_seconds:.1f} s"
        )
    backend = "tensorrt-rtx" if engines[0][1].library == "tensorrt_rtx" else "tensorrt"
    return "\n".join(
        [*lines, f"next     res2clip verify BUNDLE --backend {backend}, on the device"]
    )
