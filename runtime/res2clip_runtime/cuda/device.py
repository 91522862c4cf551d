"""A CUDA device with one stream, and everything that is done on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy.typing as npt

from res2clip_runtime.closable import Closable
from res2clip_runtime.cuda.driver import checked, load_driver, primary_context
from res2clip_runtime.errors import BackendError

__all__ = ["CudaDevice"]


class CudaDevice(Closable):
    """Owns a stream on the device's primary context; for one thread at a time.

    The context is current only while something is done, so that pictures can be inspected in
    another thread than the one that opened the device.
    """

    def __init__(self, *, ordinal: int = 0) -> None:
        """Open device number ``ordinal``.

        Raises:
            MissingExtraError: pycuda is not installed.
            BackendError: there is no driver, no such device, or it refuses.
        """
        self._closed = False
        self.driver = load_driver()
        with checked(self.driver, f"opening device {ordinal}"):
            device = self.driver.Device(ordinal)
            major, minor = device.compute_capability()
            self.name: str = device.name()
            self.memory_bytes: int = device.total_memory()
        self.architecture = f"sm{major}{minor}"
        self._context = primary_context(ordinal)
        self._stream: Any = None
        with self.working("cuStreamCreate"):
            self._stream = self.driver.Stream()

    @property
    def stream(self) -> Any:
        """The one stream (``pycuda.driver.Stream``)."""
        return self._stream

    @property
    def stream_handle(self) -> int:
        """The stream as the driver's number, for TensorRT."""
        return int(self._stream.handle)

    @contextmanager
    def working(self, what: str) -> Iterator[None]:
        """Make the context current; failures say that they happened at ``what``.

        Raises:
            BackendError: the driver failed, or the device is closed.
        """
        if self._closed:
            raise BackendError("the CUDA device is closed; open a new one")
        with checked(self.driver, what):
            self._context.push()
            try:
                yield
            finally:
                self.driver.Context.pop()

    def upload(self, target: Any, source: npt.NDArray[Any]) -> None:
        """Put the copy of a pinned array to device memory on the stream; does not wait."""
        with self.working(f"copying {source.nbytes} bytes to the device"):
            self.driver.memcpy_htod_async(target, source, self._stream)

    def download(self, target: npt.NDArray[Any], source: Any) -> None:
        """Put the copy of device memory to a pinned array on the stream; does not wait."""
        with self.working(f"copying {target.nbytes} bytes from the device"):
            self.driver.memcpy_dtoh_async(target, source, self._stream)

    def synchronize(self) -> None:
        """Wait until all work on the stream is done; failures of it show here."""
        with self.working("waiting for the stream"):
            self._stream.synchronize()

    def time_ms(self, work: Callable[[], None]) -> float:
        """Return the milliseconds that the device takes for what ``work`` puts on the stream."""
        with self.working("timing"):
            start, end = self.driver.Event(), self.driver.Event()
            start.record(self._stream)
            work()
            end.record(self._stream)
            end.synchronize()
            elapsed = float(start.time_till(end))
            del start, end  # destroyed while the context is current
        return elapsed

    def close(self) -> None:
        """Destroy the stream; a second call does nothing."""
        if self._closed:
            return
        try:
            with self.working("cuStreamDestroy"):
                self._stream = None
        finally:
            self._closed = True
