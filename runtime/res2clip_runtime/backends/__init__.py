"""Engines that run a bundle's stages."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Protocol

from res2clip_runtime.bundle import Bundle
from res2clip_runtime.errors import InputError
from res2clip_runtime.stages import Stages

__all__ = ["BACKENDS", "BackendStages", "open_stages"]

CUDA_KERNELS = "onnxruntime-cuda+kernels"

BACKENDS = ("onnxruntime", "onnxruntime-cuda", CUDA_KERNELS)
"""Names accepted by ``--backend``."""


class BackendStages(Stages, Protocol):
    """Stages that own an engine's resources."""

    def close(self) -> None:
        """Free the engine; the stages cannot be used afterwards."""


def open_stages(bundle: Bundle, backend: str, *, threads: int | None = None) -> BackendStages:
    """Return the bundle's stages on the engine called ``backend``.

    Raises:
        InputError: there is no engine of this name.
        MissingExtraError: the engine is not installed.
        BackendError: the engine refused, for example because there is no such device.
    """
    if backend not in BACKENDS:
        raise InputError(f"unknown backend '{backend}' (--backend); known: {', '.join(BACKENDS)}")
    if backend == CUDA_KERNELS:
        return _with_kernels(open_stages(bundle, "onnxruntime-cuda", threads=threads))
    from res2clip_runtime.backends.onnx_stages import OnnxStages

    return OnnxStages(bundle, cuda=backend == "onnxruntime-cuda", threads=threads)


def _with_kernels(stages: BackendStages) -> BackendStages:
    """Return ``stages`` with preprocessing, match and score as our kernels on the CUDA device."""
    from res2clip_runtime.kernels.device import KernelDevice
    from res2clip_runtime.kernels.kernel_stages import KernelStages

    with ExitStack() as opened:
        opened.callback(stages.close)
        whole = KernelStages(stages, opened.enter_context(KernelDevice()))
        opened.pop_all()
    return whole
