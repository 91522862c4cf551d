"""TensorRT-RTX engines built on any CPU, for a card that is elsewhere."""

from __future__ import annotations

from res2clip_runtime.bundle import Bundle
from res2clip_runtime.errors import InputError
from res2clip_runtime.tensorrt.build_progress import Progress
from res2clip_runtime.tensorrt.engine_cache import EngineCache
from res2clip_runtime.tensorrt.engine_job import EngineLimits
from res2clip_runtime.tensorrt.library import RTX, load_library

__all__ = ["build_ahead", "parse_target"]


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
    bundle: Bundle, architecture: str, limits: EngineLimits, *, progress: Progress | None = None
) -> EngineCache:
    """Return the cache with every engine of ``bundle`` for an architecture, built where need be.

    Args:
        bundle: the exported model.
        architecture: of the card, such as ``sm86``.
        limits: what they must be built for.
        progress: told how far each build is.

    Raises:
        MissingExtraError: TensorRT for RTX is not installed.
        InputError: it does not know the architecture.
        BackendError: it refused a stage, or crashed.
        OutputError: the engines could not be written.
    """
    cache = EngineCache(bundle, load_library(RTX), architecture=architecture)
    for stage in bundle.manifest.stages:
        cache.provide(stage, limits, progress=progress)
    return cache
