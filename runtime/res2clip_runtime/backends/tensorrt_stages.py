"""A bundle's stages on TensorRT."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack

import numpy as np
import numpy.typing as npt

from res2clip_runtime.backends.graph_stages import GraphStages
from res2clip_runtime.bundle import Bundle
from res2clip_runtime.cuda import CudaDevice
from res2clip_runtime.errors import BackendError
from res2clip_runtime.stages import FloatArray
from res2clip_runtime.tensorrt.build_progress import Progress
from res2clip_runtime.tensorrt.engine_cache import EngineCache
from res2clip_runtime.tensorrt.engine_job import EngineLimits
from res2clip_runtime.tensorrt.executor import EngineExecutor
from res2clip_runtime.tensorrt.library import RTX, TENSORRT, load_library

__all__ = ["LIBRARIES", "TensorRtStages", "provide_engines"]


LIBRARIES = {"tensorrt": TENSORRT, "tensorrt-rtx": RTX}
"""By the engine's name: TensorRT, or TensorRT for RTX."""


class TensorRtStages(GraphStages):
    """Encoder, match and heads as three engines on one stream.

    Engines that are not there yet are built: minutes, once for each device and release.
    """

    def __init__(self, bundle: Bundle, backend: str = "tensorrt", *, graphs: bool = True) -> None:
        """Open the engines, built first where need be.

        Args:
            bundle: the exported model.
            backend: one of ``LIBRARIES``.
            graphs: whether CUDA graphs may be used.

        Raises:
            MissingExtraError: TensorRT or pycuda is not installed.
            BackendError: there is no GPU, or TensorRT refused.
        """
        super().__init__(bundle.manifest.method)
        self._lock = threading.Lock()  # an engine's context is for one run at a time
        self._executors: dict[str, EngineExecutor] = {}
        with ExitStack() as stack:
            self.device = stack.enter_context(CudaDevice())
            cache = _engine_cache(bundle, backend, self.device)
            for name in bundle.manifest.stages:
                with self.device.working("building engines"):
                    plan = cache.provide(name)
                executor = EngineExecutor(
                    cache.library, self.device, plan, stage=name, graphs=graphs
                )
                self._executors[name] = stack.enter_context(executor)
            self._outputs = {
                name: [entry.name for entry in stage.outputs]
                for name, stage in bundle.manifest.stages.items()
            }
            self._batched = {
                name: [entry.name for entry in stage.inputs if entry.shape[0] == "B"]
                for name, stage in bundle.manifest.stages.items()
            }
            self._opened = stack.pop_all()

    def run_graph(
        self, stage: str, inputs: Mapping[str, npt.NDArray[np.generic]]
    ) -> Sequence[FloatArray]:
        """Return the stage's outputs, in its order, for contiguous inputs by name."""
        with self._lock:
            executor = self._executors.get(stage)
            if executor is None:
                raise BackendError("the inspector is closed; open a new one")
            batched = self._batched[stage]
            size, step = len(inputs[batched[0]]), executor.largest(batched[0])[0]
            parts = [
                executor.run({n: v[i : i + step] if n in batched else v for n, v in inputs.items()})
                for i in range(0, size, step)
            ]
            return [np.concatenate([part[n] for part in parts]) for n in self._outputs[stage]]

    def close(self) -> None:
        """Free engines, memory and stream."""
        with self._lock:
            self._executors.clear()
            self._opened.close()


def provide_engines(
    bundle: Bundle,
    limits: EngineLimits | None = None,
    *,
    backend: str = "tensorrt",
    progress: Progress | None = None,
) -> EngineCache:
    """Return the cache with every engine of ``bundle`` for this device, built where need be.

    Args:
        bundle: the exported model.
        limits: what they must be built for; None: engines that are there are taken as they are.
        backend: one of ``LIBRARIES``.
        progress: told how far each build is.

    Raises:
        MissingExtraError: TensorRT or pycuda is not installed.
        BackendError: there is no GPU, or TensorRT refused.
        OutputError: the engines could not be written.
    """
    with CudaDevice() as device:
        cache = _engine_cache(bundle, backend, device)
        with device.working("building engines"):
            for name in bundle.manifest.stages:
                cache.provide(name, limits, progress=progress)
    return cache


def _engine_cache(bundle: Bundle, backend: str, device: CudaDevice) -> EngineCache:
    library = load_library(LIBRARIES[backend])
    # Engines for RTX are of no one card: they may have been built ahead of time.
    name = "" if library.name == RTX else device.name
    return EngineCache(bundle, library, architecture=device.architecture, device=name)
