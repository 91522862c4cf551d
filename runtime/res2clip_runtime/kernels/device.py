"""A CUDA device with our kernels loaded: buffers by name, copies, launches, one stream.

It uses the device's primary context, as TensorRT and ONNX Runtime do, and makes it current only
while it works: pictures may be inspected from another thread than the one that opened the device.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from res2clip_runtime.closable import Closable
from res2clip_runtime.errors import BackendError, MissingExtraError
from res2clip_runtime.kernels.compiler import compile_kernels
from res2clip_runtime.kernels.launch import Launch

__all__ = ["KernelDevice", "load_driver"]


class KernelDevice(Closable):
    """Owns the kernels' module, a stream and every buffer; not for several threads at once."""

    def __init__(self, *, ordinal: int = 0, module: bytes | None = None) -> None:
        """Open a device.

        Args:
            ordinal: which one, counted from 0.
            module: the compiled kernels; None: compiled for this device, or from the cache.

        Raises:
            MissingExtraError: pycuda is not installed.
            BackendError: there is no driver, no such device, no compiler, or the device refuses.
        """
        self._driver = load_driver()
        self._buffers: dict[str, tuple[Any, int]] = {}
        self._functions: dict[str, Any] = {}
        self._module: Any = None
        self._stream: Any = None
        self._context: Any = None
        with self._checked("opening the device"):
            self._driver.init()
            device = self._driver.Device(ordinal)
            major, minor = device.compute_capability()
            self.name: str = device.name()
            self.processors: int = device.multiprocessor_count
            self.architecture = f"sm_{major}{minor}"
        image = compile_kernels(self.architecture) if module is None else module
        with self._checked("opening the device"):
            self._context = _primary_context(ordinal)
        try:
            with self._working("loading the kernels"):
                self._module = self._driver.module_from_buffer(image)
                self._stream = self._driver.Stream()
        except BackendError:
            self.close()
            raise

    def upload(self, name: str, values: npt.NDArray[Any]) -> Any:
        """Return buffer ``name`` after copying ``values`` into it."""
        values = np.ascontiguousarray(values)
        buffer = self.buffer(name, values.nbytes)
        with self._working(f"copying '{name}' to the device"):
            self._driver.memcpy_htod_async(buffer, values, self._stream)
            # Pageable memory may not change before the copy has left it.
            self._stream.synchronize()
        return buffer

    def download(self, name: str, shape: Sequence[int], kind: Any) -> npt.NDArray[Any]:
        """Return buffer ``name`` as an array, when all that was launched before is done."""
        values = np.empty(shape, dtype=kind)
        buffer = self.buffer(name, values.nbytes)
        with self._working(f"copying '{name}' from the device"):
            self._driver.memcpy_dtoh_async(values, buffer, self._stream)
            self._stream.synchronize()
        return values

    def buffer(self, name: str, size_bytes: int) -> Any:
        """Return device memory called ``name`` of at least ``size_bytes``; it is kept and grows."""
        kept, size = self._buffers.get(name, (None, 0))
        if size >= size_bytes:
            return kept
        with self._working(f"allocating {size_bytes} bytes for '{name}'"):
            if kept is not None:
                del self._buffers[name]
                kept.free()
            made = self._driver.mem_alloc(size_bytes)
        self._buffers[name] = (made, size_bytes)
        return made

    def run(self, launches: Sequence[Launch]) -> None:
        """Put the launches on the stream, in order; does not wait for them."""
        for launch in launches:
            with self._working(f"launching {launch.kernel}"):
                function = self._function(launch.kernel)
                block = (launch.threads, 1, 1)
                function(*launch.arguments, block=block, grid=launch.grid, stream=self._stream)

    def time_ms(self, work: Callable[[], None]) -> float:
        """Return the milliseconds the device takes for what ``work`` puts on the stream."""
        with self._working("timing"):
            start, end = self._driver.Event(), self._driver.Event()
            start.record(self._stream)
            work()
            end.record(self._stream)
            end.synchronize()
            elapsed = float(start.time_till(end))
            del start, end  # while the context is current
        return elapsed

    def close(self) -> None:
        """Free everything; a second call does nothing."""
        if self._context is None:
            return
        try:
            with self._working("closing the device"):
                self._functions.clear()
                self._stream = self._module = None
                while self._buffers:
                    _, (kept, _) = self._buffers.popitem()
                    kept.free()
        finally:
            self._context = None

    def _function(self, kernel: str) -> Any:
        if kernel not in self._functions:
            self._functions[kernel] = self._module.get_function(kernel)
        return self._functions[kernel]

    @contextmanager
    def _working(self, what: str) -> Iterator[None]:
        if self._context is None:
            raise BackendError("the CUDA device is closed; open a new one")
        with self._checked(what):
            self._context.push()
            try:
                yield
            finally:
                self._driver.Context.pop()

    @contextmanager
    def _checked(self, what: str) -> Iterator[None]:
        try:
            yield
        except self._driver.MemoryError as err:
            raise BackendError(
                f"CUDA has no memory left, {what}; use fewer references or a smaller batch"
            ) from err
        except self._driver.Error as err:
            raise BackendError(
                f"CUDA failed, {what}: {err}; check the driver with res2clip doctor --kernels"
            ) from err


@lru_cache
def _primary_context(ordinal: int) -> Any:
    """Return the primary context of a device, held until the process ends.

    pycuda (2026.1) leaves a pushed context behind in the driver each time it lets go of a primary
    one; the driver frees it at the end anyway.
    """
    return load_driver().Device(ordinal).retain_primary_context()


def load_driver() -> Any:
    """Return ``pycuda.driver``.

    Raises:
        MissingExtraError: pycuda is not installed.
        BackendError: NVIDIA's driver is not.
    """
    try:
        return importlib.import_module("pycuda.driver")
    except ModuleNotFoundError as err:
        raise MissingExtraError("pycuda", extra="trt", purpose="running CUDA kernels") from err
    except ImportError as err:
        raise BackendError(
            f"no NVIDIA driver on this machine ({err}); install it, or use a CPU backend"
        ) from err
