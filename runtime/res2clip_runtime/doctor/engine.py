"""ONNX Runtime: which devices it can really use, by running a tiny graph on each."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from res2clip_runtime.backends.telemetry import forbid_telemetry
from res2clip_runtime.doctor.check import Check, Status

__all__ = ["check_engine", "find_conflict", "try_provider"]

_DISTRIBUTIONS = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-openvino")
_REMOTE = ("AzureExecutionProvider",)
"""Providers that call a service; they are no engine of this machine."""
_GRAPH = Path(__file__).with_name("identity.onnx")
"""y = x for one float, opset 18."""


def check_engine() -> list[Check]:
    """Return ONNX Runtime's installation and every provider it offers."""
    forbid_telemetry()
    try:
        import onnxruntime
    except Exception as err:  # a missing CUDA library raises whatever it likes
        absent = isinstance(err, ModuleNotFoundError)
        return [
            Check(
                name="onnxruntime",
                status=Status.MISSING,
                detail="not installed" if absent else f"cannot be imported: {err}",
                remedy="pip install 'res2clip[cpu]', or 'res2clip[gpu]' for CUDA",
            )
        ]
    if not hasattr(onnxruntime, "get_available_providers"):
        return [
            Check(
                name="onnxruntime",
                status=Status.MISSING,
                detail="its files are incomplete, as after removing one of two of its wheels",
                remedy="pip uninstall -y onnxruntime onnxruntime-gpu && "
                "pip install 'res2clip[cpu]'",
            )
        ]
    installed = [name for name in _DISTRIBUTIONS if _is_installed(name)]
    found = find_conflict(installed) or Check(
        name="onnxruntime",
        status=Status.OK,
        detail=f"{onnxruntime.__version__} ({', '.join(installed) or 'not from a wheel'})",
    )
    offered = [p for p in onnxruntime.get_available_providers() if p not in _REMOTE]
    return [found, *(try_provider(provider) for provider in offered)]


def find_conflict(installed: list[str]) -> Check | None:
    """Return what is wrong when several distributions of ONNX Runtime are installed at once."""
    if len(installed) < 2:
        return None
    everything = " ".join(installed)
    wanted = "gpu" if "onnxruntime-gpu" in installed else "cpu"
    return Check(
        name="onnxruntime",
        status=Status.WARN,
        detail=f"{' and '.join(installed)} are both installed and overwrite each other's files",
        remedy=f"pip uninstall -y {everything} && pip install 'res2clip[{wanted}]'",
    )


def try_provider(provider: str) -> Check:
    """Return whether a provider runs a graph; ONNX Runtime falls back to the CPU in silence."""
    name = provider.removesuffix("ExecutionProvider")
    try:
        used = _run_on(provider)
    except Exception as err:  # ONNX Runtime's errors share no public base class
        return _unusable(name, " ".join(str(err).split())[:200])
    if used != provider:
        return _unusable(name, f"offered, but {used} ran instead")
    return Check(name=f"  {name}", status=Status.OK, detail="ran a graph")


def _run_on(provider: str) -> str:
    """Return the provider that ran the graph when ``provider`` was asked for."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what is wrong is reported here, not on stderr
    session: Any = onnxruntime.InferenceSession(_GRAPH.read_bytes(), options, providers=[provider])
    (result,) = session.run(None, {"x": np.ones(1, dtype=np.float32)})
    if result.tolist() != [1.0]:
        raise ValueError(f"the graph y = x answered {result.tolist()} for [1.0]")
    return str(session.get_providers()[0])


def _unusable(name: str, detail: str) -> Check:
    if name == "CPU":
        return Check(
            name=f"  {name}",
            status=Status.MISSING,
            detail=detail,
            remedy="pip install --force-reinstall onnxruntime",
        )
    return Check(
        name=f"  {name}",
        status=Status.WARN,
        detail=detail,
        remedy="check driver and libraries of this device, or leave it unused",
    )


def _is_installed(distribution: str) -> bool:
    try:
        metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return False
    return True
