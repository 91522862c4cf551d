"""The shared libraries behind ONNX Runtime's GPU providers: found in wheels, or why they are not.

ONNX Runtime writes the reason to stderr and goes on without the provider.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import logging
from pathlib import Path
from types import ModuleType

__all__ = ["library_problem", "load_cuda_from_wheels"]

logger = logging.getLogger(__name__)


def load_cuda_from_wheels(onnxruntime: ModuleType) -> None:
    """Load CUDA's and cuDNN's libraries where they came by pip; what is absent is told later."""
    if not hasattr(onnxruntime, "preload_dlls"):  # before 1.21
        return
    said = io.StringIO()  # it prints
    with contextlib.redirect_stdout(said):
        onnxruntime.preload_dlls()
    logger.info("CUDA libraries: %s", " ".join(said.getvalue().split()) or "loaded")


def library_problem(onnxruntime: ModuleType, provider: str) -> str:
    """Return why a provider's library cannot be loaded, or nothing if that is not what is wrong."""
    folder = Path(str(onnxruntime.__file__)).parent / "capi"
    name = provider.removesuffix("ExecutionProvider").lower()
    library = folder / f"libonnxruntime_providers_{name}.so"
    if not library.is_file():
        return ""
    try:
        ctypes.CDLL(str(folder / "libonnxruntime_providers_shared.so"), ctypes.RTLD_GLOBAL)
        ctypes.CDLL(str(library))
    except OSError as err:
        return f"its library does not load: {err}"
    return ""
