"""Our kernels loaded on a CUDA device: buffers by name, copies, launches on its one stream."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np
import numpy.typing as npt

from res2clip_runtime.closable import Closable
from res2clip_runtime.cuda import CudaDevice, DeviceBuffer
from res2clip_runtime.errors import BackendError
from res2clip_runtime.kernels.compiler import compile_kernels
from res2clip_runtime.kernels.launch import Launch

__all__ = ["KernelDevice"]


class KernelDevice(Closable):
    """Owns the kernels' module and every buffer; not for several threads at once."""

    def __init__(self, device: CudaDevice | None = None, *, module: bytes | None = None) -> None:
        """Load the kernels.

        Args:
            device: where the rest of the pipeline works, so that all share its stream; it stays
                open.  None: one is opened, and closed with this.
            module: the compiled kernels; None: compiled for this device, or from the cache.

        Raises:
            MissingExtraError: pycuda is not installed.
            BackendError: there is no driver, no such device, no compiler, or the device refuses.
        """
        self._buffers: dict[str, DeviceBuffer] = {}
        self._functions: dict[str, Any] = {}
        self._module: Any = None
        with ExitStack() as opened:
            self.cuda = device or opened.enter_context(CudaDevice())
            """The device itself."""
            driver = self.cuda.driver
            with self.cuda.working("asking the device for its kind"):
                self.processors: int = driver.Context.get_device().multiprocessor_count
                major, minor = driver.Context.get_device().compute_capability()
            self.name = self.cuda.name
            self.architecture = f"sm_{major}{minor}"
            image = compile_kernels(self.architecture) if module is None else module
            with self.cuda.working("loading the kernels"):
                self._module = driver.module_from_buffer(image)
            self._opened = opened.pop_all()

    def upload(self, name: str, values: npt.NDArray[Any]) -> Any:
        """Return the address of buffer ``name`` after copying ``values`` into it."""
        values = np.ascontiguousarray(values)
        address = self.buffer(name, values.nbytes)
        self.cuda.upload(int(address), values)
        # Ordinary memory may not change before the copy has left it.
        self.cuda.synchronize()
        return address

    def download(self, name: str, shape: Sequence[int], kind: Any) -> npt.NDArray[Any]:
        """Return buffer ``name`` as an array, when all that was launched before is done."""
        values = np.empty(shape, dtype=kind)
        self.cuda.download(values, int(self.buffer(name, values.nbytes)))
        self.cuda.synchronize()
        return values

    def buffer(self, name: str, size_bytes: int) -> np.uintp:
        """Return the address of memory called ``name`` of at least ``size_bytes``.

        It is kept, and another one when it must grow: ask again after that.
        """
        if self._module is None:
            raise BackendError("the CUDA kernels are closed; open the inspector again")
        kept = self._buffers.get(name)
        if kept is None or kept.size_bytes < size_bytes:
            if kept is not None:
                self._buffers.pop(name).close()
            self._buffers[name] = DeviceBuffer(self.cuda, size_bytes, purpose=name)
        return np.uintp(self._buffers[name].address)

    def run(self, launches: Sequence[Launch]) -> None:
        """Put the launches on the stream, in order; does not wait for them."""
        for launch in launches:
            with self.cuda.working(f"launching {launch.kernel}"):
                function = self._function(launch.kernel)
                block = (launch.threads, 1, 1)
                function(*launch.arguments, block=block, grid=launch.grid, stream=self.cuda.stream)

    def time_ms(self, work: Callable[[], None]) -> float:
        """Return the milliseconds the device takes for what ``work`` puts on the stream."""
        return self.cuda.time_ms(work)

    def close(self) -> None:
        """Free everything; a second call does nothing."""
        if self._module is None:
            return
        with self._opened:
            while self._buffers:
                self._buffers.popitem()[1].close()
            with self.cuda.working("unloading the kernels"):
                self._functions.clear()
                self._module = None

    def _function(self, kernel: str) -> Any:
        if kernel not in self._functions:
            self._functions[kernel] = self._module.get_function(kernel)
        return self._functions[kernel]
