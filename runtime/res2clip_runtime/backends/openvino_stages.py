"""A bundle's stages on OpenVINO, on the CPU."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from res2clip_runtime.backends.engine_options import EngineOptions
from res2clip_runtime.backends.graph_stages import GraphStages
from res2clip_runtime.backends.telemetry import forbid_telemetry
from res2clip_runtime.bundle import Bundle
from res2clip_runtime.errors import BackendError, MissingExtraError
from res2clip_runtime.stages import FloatArray
from res2clip_runtime.storage import cache_directory, output_error

if TYPE_CHECKING:
    import openvino

__all__ = ["FLOAT_ARITHMETIC", "OpenVinoStages"]

FLOAT_ARITHMETIC = {
    "fp32": "f32",
    "fp16": "f32",
    "bf16": "bf16",
    "int8": "f32",
    "int8-bf16": "bf16",
}
"""What OpenVINO computes the encoder's floating-point operators in, by the bundle's precision.

Match and heads see small residuals and stay in f32.  Always said: left alone, OpenVINO takes bf16
wherever the CPU has it, and scores would differ from those the threshold was made with.  CPUs
compute fp16 graphs in f32; an int8 bundle's quantised operators run in int8 and the others in f32,
as they did when the bundle was proved.
"""


class OpenVinoStages(GraphStages):
    """Encoder, match and heads as three compiled models."""

    def __init__(
        self,
        bundle: Bundle,
        *,
        threads: int | None = None,
        options: EngineOptions | None = None,
    ) -> None:
        """Compile the three graphs for this CPU.

        Raises:
            MissingExtraError: OpenVINO is not installed.
            BackendError: a graph could not be compiled in the bundle's arithmetic.
            OutputError: the cache of compiled graphs cannot be written.
        """
        super().__init__(bundle.manifest.method)
        arithmetic = FLOAT_ARITHMETIC.get(self.spec.precision)
        if arithmetic is None:
            raise BackendError(
                f"OpenVINO cannot keep the arithmetic '{self.spec.precision}' of this bundle; "
                "use --backend onnxruntime"
            )
        # OpenVINO's handles are not safe to share between threads while they run.
        self._lock = threading.Lock()
        core = _core()
        self._requests: dict[str, openvino.InferRequest] = {}
        for name in bundle.manifest.stages:
            settings = _settings(arithmetic if name == "encoder" else "f32", threads)
            if options is not None and options.compile_cache:
                settings["CACHE_DIR"] = str(_cache_folder(bundle, name))
            model = _compile(core, name, str(bundle.stage_path(name)), settings)
            self._requests[name] = model.create_infer_request()

    def run_graph(
        self, stage: str, inputs: Mapping[str, npt.NDArray[np.generic]]
    ) -> Sequence[FloatArray]:
        """Return the stage's outputs, in its order, for contiguous inputs by name."""
        with self._lock:
            request = self._requests.get(stage)
            if request is None:
                raise BackendError("the inspector is closed; open a new one")
            try:
                # Inputs are read where they lie; outputs are copied, the next run reuses theirs.
                outputs = request.infer(dict(inputs), share_inputs=True, share_outputs=False)
            except Exception as err:  # OpenVINO raises RuntimeError and others of pybind11
                raise BackendError(f"OpenVINO failed in stage '{stage}': {err}") from err
            return list(outputs.values())

    def close(self) -> None:
        """Free the compiled models."""
        with self._lock:
            self._requests.clear()


def _core() -> openvino.Core:
    forbid_telemetry()
    try:
        import openvino
    except ModuleNotFoundError as err:
        raise MissingExtraError(
            "openvino", extra="openvino", purpose="inspecting with OpenVINO"
        ) from err
    except ImportError as err:
        raise BackendError(f"OpenVINO cannot be imported: {err}; install it again") from err
    return openvino.Core()


def _settings(arithmetic: str, threads: int | None) -> dict[str, Any]:
    return {
        "INFERENCE_PRECISION_HINT": arithmetic,
        # ACCURACY also turns off what changes figures unasked, such as dynamic quantisation.
        "EXECUTION_MODE_HINT": "ACCURACY",
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": threads or 0,
        # Several processes on one machine would all be pinned to the same first cores.
        "ENABLE_CPU_PINNING": False,
    }


def _cache_folder(bundle: Bundle, stage: str) -> Path:
    """Return the folder for a compiled graph, made; OpenVINO adds its release, CPU and settings.

    It knows a graph by its path, so that other weights at the same place must lie elsewhere.
    """
    folder = cache_directory() / "openvino" / bundle.stage_sha256(stage)[:32]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as err:
        raise output_error(folder, err) from err
    return folder


def _compile(
    core: openvino.Core, stage: str, path: str, settings: Mapping[str, Any]
) -> openvino.CompiledModel:
    try:
        model = core.compile_model(path, "CPU", dict(settings))
        got = str(model.get_property("INFERENCE_PRECISION_HINT").get_type_name())
    except Exception as err:  # OpenVINO raises RuntimeError and others of pybind11
        reason = " ".join(str(err).split())
        raise BackendError(f"OpenVINO cannot compile stage '{stage}' ({path}): {reason}") from err
    if got != settings["INFERENCE_PRECISION_HINT"]:
        raise BackendError(
            f"stage '{stage}' asked OpenVINO for {settings['INFERENCE_PRECISION_HINT']}, this CPU "
            f"computes in {got}; export the bundle with --precision fp32 or int8"
        )
    return model
