"""Engines that run a bundle's stages."""

from __future__ import annotations

from typing import Protocol

from res2clip_runtime.backends.engine_options import EngineOptions
from res2clip_runtime.bundle import Bundle
from res2clip_runtime.errors import InputError
from res2clip_runtime.stages import Stages

__all__ = ["BACKENDS", "BackendStages", "EngineOptions", "open_stages"]

BACKENDS = ("onnxruntime", "onnxruntime-cuda", "onnxruntime-tensorrt", "openvino")
"""Names accepted by ``--backend``."""


class BackendStages(Stages, Protocol):
    """Stages that own an engine's resources."""

    def close(self) -> None:
        """Free the engine; the stages cannot be used afterwards."""


def open_stages(
    bundle: Bundle,
    backend: str,
    *,
    threads: int | None = None,
    options: EngineOptions | None = None,
) -> BackendStages:
    """Return the bundle's stages on the engine called ``backend``.

    Args:
        bundle: the exported model.
        backend: one of ``BACKENDS``.
        threads: of the CPU; None: all cores.
        options: how ONNX Runtime uses the machine; other engines have no use for them.

    Raises:
        InputError: there is no engine of this name.
        MissingExtraError: the engine is not installed.
        BackendError: the engine refused, for example because there is no such device.
    """
    if backend not in BACKENDS:
        raise InputError(f"unknown backend '{backend}' (--backend); known: {', '.join(BACKENDS)}")
    if backend == "openvino":
        from res2clip_runtime.backends.openvino_stages import OpenVinoStages

        return OpenVinoStages(bundle, threads=threads)
    from res2clip_runtime.backends.onnx_stages import OnnxStages

    return OnnxStages(bundle, backend, threads=threads, options=options)
