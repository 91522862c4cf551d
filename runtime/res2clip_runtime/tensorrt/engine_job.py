"""What an engine is built from and for."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from res2clip_runtime.bundle import Bundle
from res2clip_runtime.errors import InputError
from res2clip_runtime.manifest import TensorEntry

__all__ = ["EngineJob", "EngineLimits"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineLimits:
    """How much an engine can be given; all of it costs device memory."""

    max_batch: int = 1
    """B: most pictures at once (``--trt-batch``); larger batches are cut into pieces."""
    shots: int = 8
    """Most reference pictures in a recipe (``--trt-shots``)."""
    workspace_mib: int = 2048
    """Most scratch memory of a layer, in MiB (``--trt-workspace``)."""

    def __post_init__(self) -> None:
        for field, flag in (
            ("max_batch", "batch"),
            ("shots", "shots"),
            ("workspace_mib", "workspace"),
        ):
            if getattr(self, field) < 1:
                raise InputError(f"{field} (--trt-{flag}) is {getattr(self, field)}, at least 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineJob:
    """One stage of a bundle, to be built."""

    stage: str
    """encoder, match or heads."""
    onnx: str
    """Its graph."""
    onnx_sha256: str
    """Of the graph and its weights."""
    inputs: tuple[tuple[str, tuple[int | str, ...]], ...]
    """Names and shapes; ``B`` and ``N`` are free."""
    precision: str
    """Arithmetic of the graph."""
    max_batch: int
    """Largest B."""
    max_references: int
    """Largest N."""
    usual_references: int
    """N to be fastest with."""
    workspace_mib: int
    """Most scratch memory of a layer."""

    @classmethod
    def of(cls, bundle: Bundle, stage: str, limits: EngineLimits) -> EngineJob:
        """Return the job for a stage of ``bundle``."""
        spec, entry = bundle.manifest.method, bundle.manifest.stages[stage]
        return cls(
            stage=stage,
            onnx=str(bundle.stage_path(stage)),
            onnx_sha256=bundle.stage_sha256(stage),
            inputs=_shapes(entry.inputs),
            precision=spec.precision,
            max_batch=limits.max_batch,
            max_references=limits.shots * spec.patches,
            usual_references=min(limits.shots, 4) * spec.patches,
            workspace_mib=limits.workspace_mib,
        )

    def shapes(self, batch: int, references: int) -> dict[str, tuple[int, ...]]:
        """Return the inputs' shapes for so many pictures and references."""
        free = {"B": batch, "N": references}
        return {
            name: tuple(free[size] if isinstance(size, str) else size for size in shape)
            for name, shape in self.inputs
        }

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> EngineJob:
        """Return the job written by :meth:`to_json`."""
        inputs = tuple((name, tuple(shape)) for name, shape in values["inputs"])
        return cls(**{**values, "inputs": inputs})


def _shapes(entries: Sequence[TensorEntry]) -> tuple[tuple[str, tuple[int | str, ...]], ...]:
    return tuple((entry.name, entry.shape) for entry in entries)
