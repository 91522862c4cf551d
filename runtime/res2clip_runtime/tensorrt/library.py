"""TensorRT as it is installed, and every difference between its releases.

One code path serves TensorRT 10.3 (JetPack 6), 10.13, 11.4 and TensorRT for RTX.  What one of them
lacks is asked here and nowhere else:

- weak typing: up to TensorRT 10 only.  Strong typing is complete from 10.12 on; an older one that
  refuses a graph may take it weakly typed, in the same arithmetic only for fp32 and int8;
- a compute capability to build for: TensorRT for RTX only; the others build for their own device;
- the timing cache: TensorRT for RTX asks for a GPU to make one, so it goes without.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from res2clip_runtime.errors import BackendError, InputError, MissingExtraError

if TYPE_CHECKING:
    import tensorrt as trt

__all__ = ["MODULES", "RTX", "TENSORRT", "Library", "load_library"]

TENSORRT = "tensorrt"
RTX = "tensorrt_rtx"
MODULES = {TENSORRT: ("tensorrt", "tensorrt_bindings"), RTX: ("tensorrt_rtx", f"{RTX}_bindings")}
"""What each may be imported as, the usual name first."""
_WEAK_FLAGS = {"fp32": (), "int8": ("INT8",)}
"""Builder flags that keep a precision's arithmetic in a weakly typed network; fp16 and bf16 have
none: with the flag, TensorRT would lower whatever it likes."""


@dataclass(frozen=True, slots=True)
class Library:
    """One of NVIDIA's two builders, imported."""

    name: str
    """``tensorrt`` or ``tensorrt_rtx``."""
    trt: Any
    """Its module."""

    @property
    def version(self) -> str:
        """Its release; engines of another one are of no use."""
        return str(self.trt.__version__)

    @property
    def has_timing_cache(self) -> bool:
        """Whether a timing cache can be made."""
        return self.name == TENSORRT

    def typings(self, precision: str) -> tuple[str, ...]:
        """Return the typings to try, in this order, that keep the arithmetic of ``precision``."""
        weak = hasattr(self.trt.BuilderFlag, "FP16") and precision in _WEAK_FLAGS
        return ("strong", "weak") if weak else ("strong",)

    def network_flags(self, typing: str) -> int:
        """Return the flags of ``create_network``; TensorRT 11 ignores strong typing as its only."""
        strong = self.trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED
        return 1 << int(strong) if typing == "strong" else 0

    def set_arithmetic(self, config: trt.IBuilderConfig, typing: str, precision: str) -> None:
        """Forbid TF32, and allow in a weakly typed network what ``precision`` needs."""
        config.clear_flag(self.trt.BuilderFlag.TF32)
        if typing == "weak":
            for name in _WEAK_FLAGS[precision]:
                config.set_flag(getattr(self.trt.BuilderFlag, name))

    def set_target(self, config: trt.IBuilderConfig, architecture: str) -> None:
        """Build for another device than this one (``sm86``).

        Raises:
            InputError: see :meth:`check_target`.
            BackendError: the library refused the target.
        """
        self.check_target(architecture)
        capability = getattr(self.trt.ComputeCapability, architecture.upper())
        config.num_compute_capabilities = 1
        if not config.set_compute_capability(capability, 0):
            raise BackendError(f"TensorRT for RTX refused the target {architecture}")

    def check_target(self, architecture: str) -> None:
        """Refuse an architecture that cannot be built for here.

        Raises:
            InputError: this library builds for its own device only, or does not know it.
        """
        if self.name != RTX:
            raise InputError(
                "TensorRT builds for its own device only; ahead of time: --trt-target rtx:sm86"
            )
        known = [n for n in self.trt.ComputeCapability.__members__ if n.startswith("SM")]
        if architecture.upper() not in known:
            raise InputError(
                f"TensorRT for RTX {self.version} does not build for '{architecture}' "
                f"(--trt-target); known: {', '.join(known).lower()}"
            )


def load_library(name: str = TENSORRT) -> Library:
    """Return TensorRT, or TensorRT for RTX.

    Raises:
        MissingExtraError: it is not installed.
        BackendError: it is, but its libraries cannot be loaded.
    """
    for module in MODULES[name]:
        try:
            return Library(name, importlib.import_module(module))
        except ModuleNotFoundError as err:
            if err.name != module:
                raise BackendError(f"{module} cannot be imported: {err}; install it again") from err
        except Exception as err:  # bindings without libnvinfer raise ImportError, OSError, ...
            raise BackendError(
                f"{module} cannot be loaded: {err}; install TensorRT's libraries of its release"
            ) from err
    purpose = "building TensorRT engines" if name == TENSORRT else "building engines for RTX"
    extra = "trt" if name == TENSORRT else "rtx"
    raise MissingExtraError(MODULES[name][0], extra=extra, purpose=purpose)
