"""ONNX Runtime: which devices it can really use, by running a tiny graph on each."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from res2clip_runtime.backends.onnx_libraries import library_problem
from res2clip_runtime.backends.onnx_providers import CPU
from res2clip_runtime.backends.onnx_session import import_onnxruntime, open_session
from res2clip_runtime.backends.onnx_wheels import (
    Wheels,
    installed_wheels,
    reinstall_command,
    wheels_problem,
)
from res2clip_runtime.doctor.check import Check, Status
from res2clip_runtime.errors import MissingExtraError

__all__ = ["check_engine", "check_wheels", "try_provider"]

_REMOTE = ("AzureExecutionProvider",)
"""Providers that call a service; they are no engine of this machine."""
_GRAPH = Path(__file__).with_name("identity.onnx")
"""y = x for one float, opset 18."""


def check_engine() -> list[Check]:
    """Return ONNX Runtime's installation and every provider it offers."""
    wheels = installed_wheels()
    try:
        onnxruntime = import_onnxruntime()
    except MissingExtraError:
        remedy = "pip install 'res2clip[cpu]', or 'res2clip[gpu]' for CUDA"
        return [_missing("not installed", remedy)]
    except Exception as err:  # a missing CUDA library raises whatever it likes
        problem = wheels_problem(wheels) or " ".join(str(err.__cause__ or err).split())
        return [_missing(problem, reinstall_command(wheels))]
    found = check_wheels(wheels) or Check(
        name="onnxruntime",
        status=Status.OK,
        detail=f"{onnxruntime.__version__} ({', '.join(wheels) or 'not from a wheel'})",
    )
    onnxruntime.set_default_logger_severity(4)  # what is wrong is said here, not on stderr
    offered = [p for p in onnxruntime.get_available_providers() if p not in _REMOTE]
    return [found, *(try_provider(provider) for provider in offered)]


def check_wheels(wheels: Wheels) -> Check | None:
    """Return what is wrong with ONNX Runtime's distributions, if anything is."""
    problem = wheels_problem(wheels)
    if not problem:
        return None
    remedy = reinstall_command(wheels)
    return Check(name="onnxruntime", status=Status.WARN, detail=problem, remedy=remedy)


def try_provider(provider: str) -> Check:
    """Return whether a provider runs a graph; being offered by ONNX Runtime says nothing."""
    name = provider.removesuffix("ExecutionProvider")
    try:
        session = open_session(str(_GRAPH), providers=((provider, {}),))
        (result,) = session.run(None, {"x": np.ones(1, dtype=np.float32)})
    except Exception as err:  # ONNX Runtime's errors share no public base class
        import onnxruntime

        problem = library_problem(onnxruntime, provider) or " ".join(str(err).split())
        return _unusable(name, f"offered, but {problem}"[:300])
    if result.tolist() != [1.0]:
        return _unusable(name, f"the graph y = x answered {result.tolist()} for [1.0]")
    return Check(name=f"  {name}", status=Status.OK, detail="ran a graph")


def _missing(detail: str, remedy: str) -> Check:
    return Check(name="onnxruntime", status=Status.MISSING, detail=detail, remedy=remedy)


def _unusable(name: str, detail: str) -> Check:
    if f"{name}ExecutionProvider" == CPU:
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
        remedy="see docs/deploy-pc.md for driver and libraries of this device, or leave it unused",
    )
