"""One ONNX Runtime session, on exactly the device that was asked for."""

from __future__ import annotations

import logging
from collections import Counter
from types import ModuleType
from typing import TYPE_CHECKING, Any

from res2clip_runtime.backends.engine_options import EngineOptions
from res2clip_runtime.backends.onnx_libraries import library_problem, load_cuda_from_wheels
from res2clip_runtime.backends.onnx_providers import CPU, TENSORRT, Providers
from res2clip_runtime.backends.onnx_wheels import (
    Wheels,
    installed_wheels,
    reinstall_command,
    wheels_problem,
)
from res2clip_runtime.backends.telemetry import forbid_telemetry
from res2clip_runtime.errors import BackendError, MissingExtraError

if TYPE_CHECKING:
    import onnxruntime

__all__ = ["import_onnxruntime", "open_session"]

logger = logging.getLogger(__name__)


def import_onnxruntime(*, extra: str = "cpu") -> ModuleType:
    """Return the module ``onnxruntime``, its telemetry off.

    Raises:
        MissingExtraError: it is not installed.
        BackendError: it is installed, and broken.
    """
    forbid_telemetry()
    try:
        import onnxruntime
    except ImportError as err:
        wheels = installed_wheels()
        if isinstance(err, ModuleNotFoundError) and not wheels:
            raise MissingExtraError(
                "onnxruntime", extra=extra, purpose="inspecting with ONNX Runtime"
            ) from err
        raise _broken(wheels, str(err)) from err
    if not hasattr(onnxruntime, "get_available_providers"):  # an emptied folder imports, too
        raise _broken(installed_wheels(), "its files are incomplete")
    return onnxruntime


def open_session(
    path: str,
    *,
    providers: Providers = ((CPU, {}),),
    threads: int | None = None,
    options: EngineOptions | None = None,
) -> onnxruntime.InferenceSession:
    """Return a session on exactly the providers that were asked for.

    ONNX Runtime takes the CPU without an error when CUDA or TensorRT cannot be loaded
    (microsoft/onnxruntime #23372), or fails while it runs; so that is turned off, and what was
    asked for is compared with what came.

    Args:
        path: of the graph.
        providers: the first must run it; the others take what it leaves.
        threads: of the CPU; None: all cores.
        options: how the machine is used.

    Raises:
        MissingExtraError: ONNX Runtime is not installed.
        BackendError: the graph or a provider cannot be used.
    """
    names = [name for name, _ in providers]
    onnxruntime = import_onnxruntime(extra="cpu" if names == [CPU] else "gpu")
    offered = onnxruntime.get_available_providers()
    if absent := [name for name in names if name not in offered]:
        wheels = " ".join(installed_wheels()) or "onnxruntime"
        raise BackendError(
            f"this ONNX Runtime has no {absent[0]}; for CUDA and TensorRT: "
            f"pip uninstall -y {wheels} && pip install 'res2clip[gpu]'"
        )
    if names != [CPU]:
        load_cuda_from_wheels(onnxruntime)
    chosen = _session_options(onnxruntime, threads, options or EngineOptions())
    if names != [CPU]:
        chosen.log_severity_level = 4  # what is wrong with a device is said once, by the error
    try:
        session = onnxruntime.InferenceSession(
            path,
            chosen,
            providers=[(name, dict(settings)) for name, settings in providers],
            enable_fallback=0,
        )
    except Exception as err:  # ONNX Runtime's errors share no public base class
        reason = _device_problem(onnxruntime, names) or " ".join(str(err).split())
        raise BackendError(f"ONNX Runtime cannot open {path}: {reason}") from err
    _require(onnxruntime, names, session)
    return session


def _session_options(
    onnxruntime: ModuleType, threads: int | None, options: EngineOptions
) -> onnxruntime.SessionOptions:
    chosen = onnxruntime.SessionOptions()
    chosen.log_severity_level = 3  # errors only
    # Idle workers that spin take the cores from NumPy's score stage, which runs in between.
    chosen.add_session_config_entry("session.intra_op.allow_spinning", str(int(options.spinning)))
    chosen.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    chosen.enable_cpu_mem_arena = options.arena
    if threads:
        chosen.intra_op_num_threads = threads
    return chosen


def _require(onnxruntime: ModuleType, names: list[str], session: Any) -> None:
    """Raise BackendError unless the providers came, and the first one got work."""
    got = session.get_providers()
    if got[: len(names)] != names:
        reason = _device_problem(onnxruntime, names) or "check the driver, CUDA, cuDNN and TensorRT"
        raise BackendError(
            f"asked ONNX Runtime for {names[0]}, got {got[0]}: {reason}; see res2clip-run doctor, "
            "or use --backend onnxruntime"
        )
    nodes = _nodes_by_provider(session)
    logger.info("%s: %s", names[0], nodes)
    if names[0] == TENSORRT and nodes and not nodes[TENSORRT]:
        raise BackendError(
            f"TensorRT took no part of the graph, it would run on {', '.join(nodes)}; "
            "use --backend onnxruntime-cuda, or tensorrt"
        )


def _nodes_by_provider(session: Any) -> Counter[str]:
    """Return how many parts of the graph each provider runs; nothing before ONNX Runtime 1.24."""
    assigned: Counter[str] = Counter()
    if hasattr(session, "get_provider_graph_assignment_info"):
        assigned.update(part.ep_name for part in session.get_provider_graph_assignment_info())
    return assigned


def _device_problem(onnxruntime: ModuleType, names: list[str]) -> str:
    found = ((name, library_problem(onnxruntime, name)) for name in names)
    return "; ".join(f"{name}: {problem}" for name, problem in found if problem)


def _broken(wheels: Wheels, said: str) -> BackendError:
    problem = wheels_problem(wheels) or said
    return BackendError(
        f"ONNX Runtime cannot be used: {problem}; mend it with: {reinstall_command(wheels)}"
    )
