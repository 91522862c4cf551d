"""The table ``[model]``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from res2clip_runtime.backends import EngineOptions
from res2clip_runtime.errors import InputError

__all__ = ["ModelTable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelTable:
    """Which model, and on what it runs."""

    bundle: Path | None = None
    """Folder of the exported model; None: the installed one that fits the recipe."""
    backend: str = "onnxruntime"
    """Engine."""
    threads: int | None = None
    """CPU threads of the engine; None: all cores."""
    spin: bool = False
    """Idle engine threads wait busily."""
    arena: bool = True
    """Keep the engine's memory between pictures."""
    gpu_memory_mb: int | None = None
    """Most memory taken of a GPU by ONNX Runtime."""
    compile_cache: bool = False
    """OpenVINO: keep compiled graphs on the disk for later starts."""

    def __post_init__(self) -> None:
        for name in ("threads", "gpu_memory_mb"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"{name} is {value}, expected 1 or more")

    @property
    def options(self) -> EngineOptions:
        """Options of the engine."""
        return EngineOptions(
            spinning=self.spin,
            arena=self.arena,
            gpu_memory_mb=self.gpu_memory_mb,
            compile_cache=self.compile_cache,
        )
