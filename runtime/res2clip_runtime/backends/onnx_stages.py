"""A bundle's stages on ONNX Runtime: on the CPU, with CUDA, or with TensorRT."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from res2clip_runtime.backends.engine_options import EngineOptions
from res2clip_runtime.backends.graph_stages import GraphStages
from res2clip_runtime.backends.onnx_providers import stage_providers
from res2clip_runtime.backends.onnx_session import import_onnxruntime, open_session
from res2clip_runtime.bundle import Bundle
from res2clip_runtime.errors import BackendError
from res2clip_runtime.stages import FloatArray

__all__ = ["OnnxStages"]


class OnnxStages(GraphStages):
    """Encoder, match and heads as three ONNX Runtime sessions."""

    def __init__(
        self,
        bundle: Bundle,
        backend: str = "onnxruntime",
        *,
        threads: int | None = None,
        options: EngineOptions | None = None,
    ) -> None:
        """Open the three sessions on one of ``ONNX_BACKENDS``.

        Raises:
            MissingExtraError: ONNX Runtime is not installed.
            BackendError: a session could not be opened on the device that was asked for.
        """
        super().__init__(bundle.manifest.method)
        if self.spec.precision == "bf16" and backend == "onnxruntime":
            raise BackendError(
                "ONNX Runtime's CPU cannot multiply in bf16; use --backend openvino (or "
                "onnxruntime-cuda), or export the bundle with --precision fp32 or int8"
            )
        options = options or EngineOptions()
        extra = "cpu" if backend == "onnxruntime" else "gpu"
        version = str(import_onnxruntime(extra=extra).__version__)
        self._sessions = {
            name: open_session(
                str(bundle.stage_path(name)),
                providers=stage_providers(
                    backend, bundle, name, options=options, onnxruntime_version=version
                ),
                threads=threads,
                options=options,
            )
            for name in bundle.manifest.stages
        }

    def run_graph(
        self, stage: str, inputs: Mapping[str, npt.NDArray[np.generic]]
    ) -> Sequence[FloatArray]:
        """Return the stage's outputs, in its order, for contiguous inputs by name."""
        session = self._sessions.get(stage)
        if session is None:
            raise BackendError("the inspector is closed; open a new one")
        try:
            outputs: Sequence[FloatArray] = session.run(None, dict(inputs))
        except Exception as err:  # ONNX Runtime's errors share no public base class
            raise BackendError(f"ONNX Runtime failed in stage '{stage}': {err}") from err
        return outputs

    def close(self) -> None:
        """Free the sessions."""
        self._sessions.clear()
