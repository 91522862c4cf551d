"""The sidecar of an engine: what it was built from, with and for."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

from res2clip_runtime.strict_json import parse_json
from res2clip_runtime.tensorrt.engine_job import EngineJob

__all__ = ["EngineRecord", "read_record"]

FORMAT_VERSION = 1
_MOST_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineRecord:
    """One JSON file beside each engine."""

    stage: str
    """encoder, match or heads."""
    library: str
    """``tensorrt`` or ``tensorrt_rtx``."""
    version: str
    """Its release; engines are of no use to another."""
    architecture: str
    """Compute capability of the device, such as ``sm87``."""
    onnx_sha256: str
    """Of the graph and its weights."""
    engine_sha256: str
    """Of the engine."""
    precision: str
    """Arithmetic of the graph."""
    typing: str
    """``strong``, or ``weak`` where an old TensorRT refused the strongly typed graph."""
    tf32: bool
    """Whether TensorRT may round fp32 products to TF32; we forbid it."""
    max_batch: int
    """Most pictures at once."""
    max_references: int
    """Most reference patches."""
    workspace_mib: int
    """Most scratch memory of a layer."""
    device: str
    """Name of the device that built it; empty when built ahead of time."""
    created: str
    """ISO 8601, UTC."""
    build_seconds: float
    """How long it took."""
    format_version: int = FORMAT_VERSION
    """Of this file."""

    def to_json(self) -> str:
        """Return the file's text."""
        return json.dumps(dataclasses.asdict(self), indent=2, sort_keys=True) + "\n"

    def stale(
        self,
        job: EngineJob,
        *,
        library: str,
        version: str,
        architecture: str,
        device: str,
        exactly: bool,
    ) -> list[str]:
        """Return why the engine must be built again; empty: it need not.

        Args:
            job: what is wanted.
            library: the library at hand.
            version: its release.
            architecture: of the device at hand.
            device: its name; what was built ahead of time fits each of the architecture.
            exactly: whether the limits must be those of ``job``; otherwise any will do.
        """
        pairs = {
            "format": (self.format_version, FORMAT_VERSION),
            "library": (self.library, library),
            "version": (self.version, version),
            "architecture": (self.architecture, architecture),
            "device": (self.device, device if self.device else ""),
            "graph": (self.onnx_sha256, job.onnx_sha256),
            "precision": (self.precision, job.precision),
            "TF32": (self.tf32, False),
        }
        if exactly:
            pairs |= {
                "batch": (self.max_batch, job.max_batch),
                "references": (self.max_references, job.max_references),
                "workspace": (self.workspace_mib, job.workspace_mib),
            }
        return [f"{what} {had} -> {now}" for what, (had, now) in pairs.items() if had != now]


def read_record(path: Path) -> EngineRecord | None:
    """Return the record in a file; None if there is none, or not one of ours."""
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(_MOST_BYTES + 1)
        return EngineRecord(**parse_json(text, most_bytes=_MOST_BYTES))
    except (OSError, ValueError, TypeError):
        return None
