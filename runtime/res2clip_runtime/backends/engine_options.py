"""How an engine uses the machine; nothing here changes a score."""

from __future__ import annotations

from dataclasses import dataclass

from res2clip_runtime.errors import InputError

__all__ = ["EngineOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOptions:
    """Settings beside the number of threads; an engine leaves alone what it has no use for."""

    spinning: bool = False
    """ONNX Runtime: whether idle threads wait busily: a little faster where the engine has its
    cores to itself, slower where NumPy's score stage or a second process wants them."""
    arena: bool = True
    """ONNX Runtime: whether memory is kept between pictures; without, each picture's is given
    back."""
    gpu_memory_mb: int | None = None
    """ONNX Runtime: most memory of a CUDA device that is taken (CUDA's arena, TensorRT's
    workspace); None: all."""
    compile_cache: bool = False
    """OpenVINO: whether compiled graphs are kept on the disk, as large as the bundle's."""

    def __post_init__(self) -> None:
        if self.gpu_memory_mb is not None and self.gpu_memory_mb < 1:
            raise InputError(f"gpu_memory_mb (--gpu-memory) is {self.gpu_memory_mb}, at least 1")
