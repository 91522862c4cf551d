"""TensorRT, TensorRT for RTX and pycuda: what ``--backend tensorrt`` needs."""

from __future__ import annotations

from importlib.util import find_spec

from res2clip_runtime.cuda.driver import load_driver
from res2clip_runtime.doctor.check import Check, Status
from res2clip_runtime.errors import BackendError, MissingExtraError
from res2clip_runtime.tensorrt.library import MODULES, load_library

__all__ = ["check_tensorrt"]


def check_tensorrt() -> list[Check]:
    """Return what is installed of them and whether it loads; nothing where nothing is."""
    found = [_library(name) for name in MODULES if any(map(find_spec, MODULES[name]))]
    return [*found, _pycuda()] if found or find_spec("pycuda") else []


def _library(name: str) -> Check:
    try:
        return Check(name=name, status=Status.OK, detail=load_library(name).version)
    except BackendError as err:
        return _bad(name, err, "see docs/tensorrt.md, or use another --backend")


def _pycuda() -> Check:
    try:
        driver = load_driver()
    except MissingExtraError as err:
        return _bad("pycuda", err, "pip install 'res2clip[trt]'")
    except BackendError as err:
        return _bad("pycuda", err, "engines are built and run on the device with the GPU")
    version = ".".join(map(str, driver.get_version()))
    return Check(name="pycuda", status=Status.OK, detail=f"loads, built for CUDA {version}")


def _bad(name: str, err: Exception, remedy: str) -> Check:
    return Check(name=name, status=Status.WARN, detail=str(err).split("; ")[0], remedy=remedy)
