"""A bundle's stages on ONNX Runtime, on the CPU or a CUDA device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from res2clip_runtime.backends.graph_stages import GraphStages
from res2clip_runtime.backends.telemetry import forbid_telemetry
from res2clip_runtime.bundle import Bundle
from res2clip_runtime.errors import BackendError, MissingExtraError
from res2clip_runtime.stages import FloatArray

if TYPE_CHECKING:
    import onnxruntime

__all__ = ["OnnxStages", "open_session"]

_CPU = "CPUExecutionProvider"
_CUDA = "CUDAExecutionProvider"


class OnnxStages(GraphStages):
    """Encoder, match and heads as three ONNX Runtime sessions."""

    def __init__(self, bundle: Bundle, *, cuda: bool = False, threads: int | None = None) -> None:
        """Open the three sessions.

        Raises:
            MissingExtraError: ONNX Runtime is not installed.
            BackendError: a session could not be opened on the device that was asked for.
        """
        super().__init__(bundle.manifest.method)
        if self.spec.precision == "bf16" and not cuda:
            raise BackendError(
                "ONNX Runtime's CPU cannot multiply in bf16; use --backend openvino (or "
                "onnxruntime-cuda), or export the bundle with --precision fp32 or int8"
            )
        self._sessions = {
            name: open_session(str(bundle.stage_path(name)), cuda=cuda, threads=threads)
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


def open_session(
    path: str, *, cuda: bool = False, threads: int | None = None
) -> onnxruntime.InferenceSession:
    """Return a session on exactly the device that was asked for.

    ONNX Runtime falls back to the CPU without an error when CUDA cannot be loaded
    (microsoft/onnxruntime #23372), so what was asked for is compared with what came.
    """
    forbid_telemetry()
    try:
        import onnxruntime
    except ModuleNotFoundError as err:
        raise MissingExtraError(
            "onnxruntime", extra="gpu" if cuda else "cpu", purpose="inspecting with ONNX Runtime"
        ) from err
    except ImportError as err:
        raise BackendError(f"ONNX Runtime cannot be imported: {err}; install it again") from err
    if not hasattr(onnxruntime, "get_available_providers"):
        raise BackendError(
            "ONNX Runtime's files are incomplete, as after removing one of onnxruntime and "
            "onnxruntime-gpu; remove both, then: pip install 'res2clip[cpu]' or 'res2clip[gpu]'"
        )
    wanted = _CUDA if cuda else _CPU
    if wanted not in onnxruntime.get_available_providers():
        raise BackendError(
            f"this ONNX Runtime has no {wanted}; for CUDA: pip uninstall onnxruntime, "
            "then pip install 'res2clip[gpu]'"
        )
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors only; warnings about CPU-placed shapes are expected
    # Idle workers that spin take the cores from NumPy's score stage, which runs in between.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if threads:
        options.intra_op_num_threads = threads
    try:
        # TF32 would shift scores while the threshold, made in fp32, stays valid.
        chosen = (_CUDA, {"use_tf32": "0"}) if cuda else _CPU
        session = onnxruntime.InferenceSession(path, options, providers=[chosen])
    except Exception as err:  # ONNX Runtime's errors share no public base class
        raise BackendError(f"ONNX Runtime cannot open {path}: {err}") from err
    if session.get_providers()[0] != wanted:
        raise BackendError(
            f"asked ONNX Runtime for {wanted}, got {session.get_providers()[0]}; "
            "check the driver, CUDA and cuDNN (res2clip doctor), or use --backend onnxruntime"
        )
    return session
