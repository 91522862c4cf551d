"""Engines that run a bundle's stages."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Protocol

from res2clip_runtime.backends.engine_options import EngineOptions
from res2clip_runtime.bundle import Bundle
from res2clip_runtime.cpu import MatchedOnCpu
from res2clip_runtime.errors import BackendError, InputError
from res2clip_runtime.stages import Stages

__all__ = ["BACKENDS", "OPENVINO_ONLY", "BackendStages", "EngineOptions", "open_stages"]

_KERNELS = "+kernels"
_WITH_KERNELS = ("tensorrt", "tensorrt-rtx", "onnxruntime-cuda")
"""Engines whose preprocessing, match and score may be our CUDA kernels."""
BACKENDS = (
    "onnxruntime",
    "openvino",
    *_WITH_KERNELS,
    *(f"{name}{_KERNELS}" for name in _WITH_KERNELS),
    "onnxruntime-tensorrt",
)
"""Names accepted by ``--backend``."""

OPENVINO_ONLY = "int8-bf16"
"""A precision whose graph is that of int8: only OpenVINO computes the rest in bf16 when told."""
_ON_CPU = ("onnxruntime", "openvino")
"""Those that compute on the CPU, where NumPy's match stage is the faster one."""


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
    graph_match: bool = False,
) -> BackendStages:
    """Return the bundle's stages on the engine called ``backend``.

    On a CPU the match stage runs in NumPy from 512 references on, in the same arithmetic
    (``MatchedOnCpu``).

    Args:
        bundle: the exported model.
        backend: one of ``BACKENDS``.
        threads: of the CPU; None: all cores.
        options: how the engine uses the machine.
        graph_match: keep the bundle's match graph on a CPU, to check or to time it.

    Raises:
        InputError: there is no engine of this name.
        MissingExtraError: the engine is not installed.
        BackendError: the engine refused, for example because there is no such device.
    """
    stages = _open_engine(bundle, backend, threads=threads, options=options)
    if graph_match or backend not in _ON_CPU or stages.spec.match != "sparse_radial_knn":
        return stages
    return MatchedOnCpu(stages, threads=threads)


def _open_engine(
    bundle: Bundle, backend: str, *, threads: int | None, options: EngineOptions | None
) -> BackendStages:
    if backend not in BACKENDS:
        raise InputError(f"unknown backend '{backend}' (--backend); known: {', '.join(BACKENDS)}")
    if bundle.manifest.method.precision == OPENVINO_ONLY and backend != "openvino":
        raise BackendError(
            f"a bundle in {OPENVINO_ONLY} was proved on OpenVINO, '{backend}' would compute in "
            "another arithmetic; use --backend openvino, or export it with --precision int8"
        )
    if backend == "openvino":
        from res2clip_runtime.backends.openvino_stages import OpenVinoStages

        return OpenVinoStages(bundle, threads=threads, options=options)
    if backend.endswith(_KERNELS):
        engine = backend.removesuffix(_KERNELS)
        return _with_kernels(_open_engine(bundle, engine, threads=threads, options=options))
    if backend.startswith("tensorrt"):
        from res2clip_runtime.backends.tensorrt_stages import TensorRtStages

        return TensorRtStages(bundle, backend)
    from res2clip_runtime.backends.onnx_stages import OnnxStages

    return OnnxStages(bundle, backend, threads=threads, options=options)


def _with_kernels(stages: BackendStages) -> BackendStages:
    """Return ``stages`` with preprocessing, match and score as our kernels on the CUDA device."""
    from res2clip_runtime.kernels.device import KernelDevice
    from res2clip_runtime.kernels.kernel_stages import KernelStages

    with ExitStack() as opened:
        opened.callback(stages.close)
        # An engine of ours has a stream that the kernels share.
        device = opened.enter_context(KernelDevice(getattr(stages, "device", None)))
        whole = KernelStages(stages, device)
        opened.pop_all()
    return whole
