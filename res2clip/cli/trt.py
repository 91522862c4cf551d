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
    records = {cache.folder: cache.records() for cache in caches}
    return _json_text(records) if as_json else _text(records)


def _json_text(records: dict[Path, list[EngineRecord]]) -> str:
    return json.dumps(
        {
            "engines": [
                {"folder": str(folder), "stages": [json.loads(r.to_json()) for r in found]}
                for folder, found in records.items()
            ]
        }
    )


def _text(records: dict[Path, list[EngineRecord]]) -> str:
    lines = []
    for folder, found in records.items():
        lines.append(f"engines  {folder}")
        for record in found:
            size_mb = (folder / f"{record.stage}.engine").stat().st_size / 1e6
            lines.append(
                f"  {record.stage:8} {size_mb:7.1f} MB  {record.precision}, up to "
                f"{record.max_batch} pictures and {record.max_references} reference patches, "
                f"built in {record.build_seconds:.1f} s"
            )
    return "\n".join([*lines, "next     res2clip verify BUNDLE --backend tensorrt, on the device"])
