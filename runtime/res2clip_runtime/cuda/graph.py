"""A CUDA graph: work that was recorded from the stream once and is launched with one call.

pycuda has no graphs, so the five functions are called in the driver's library itself.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import lru_cache

from res2clip_runtime.closable import Closable
from res2clip_runtime.cuda.device import CudaDevice
from res2clip_runtime.errors import BackendError

__all__ = ["CapturedGraph"]

_THREAD_LOCAL = 1  # CU_STREAM_CAPTURE_MODE_THREAD_LOCAL: other threads may go on allocating


class CapturedGraph(Closable):
    """What ``work`` puts on the device's stream, ready to be launched again and again."""

    def __init__(self, device: CudaDevice, work: Callable[[], None]) -> None:
        """Record ``work``; it is not done yet.

        Raises:
            BackendError: something in it cannot be captured.
        """
        self._device = device
        self._executable = ctypes.c_void_p()
        graph = ctypes.c_void_p()
        with device.working("capturing a CUDA graph"):
            stream = ctypes.c_void_p(device.stream_handle)
            _call("cuStreamBeginCapture_v2", stream, ctypes.c_int(_THREAD_LOCAL))
            try:
                work()
            except BaseException:
                _end_quietly(stream)
                raise
            _call("cuStreamEndCapture", stream, ctypes.byref(graph))
            try:
                made = ctypes.byref(self._executable)
                _call("cuGraphInstantiateWithFlags", made, graph, ctypes.c_ulonglong(0))
            finally:
                _call("cuGraphDestroy", graph)

    def launch(self) -> None:
        """Put the recorded work on the stream; does not wait.

        Raises:
            BackendError: the driver refused, or the graph is closed.
        """
        if not self._executable:
            raise BackendError("the CUDA graph is freed; capture a new one")
        with self._device.working("launching a CUDA graph"):
            stream = ctypes.c_void_p(self._device.stream_handle)
            _call("cuGraphLaunch", self._executable, stream)

    def close(self) -> None:
        """Free it; a second call does nothing."""
        executable, self._executable = self._executable, ctypes.c_void_p()
        if executable:
            _call("cuGraphExecDestroy", executable)  # needs no current context


@lru_cache
def _library() -> ctypes.CDLL:
    return ctypes.CDLL("libcuda.so.1")  # loaded already, by pycuda


def _call(function: str, *arguments: object) -> None:
    code = getattr(_library(), function)(*arguments)
    if code:
        text = ctypes.c_char_p()
        _library().cuGetErrorString(code, ctypes.byref(text))
        reason = text.value.decode() if text.value else f"error {code}"
        raise BackendError(
            f"CUDA failed: {function}: {reason}; update the driver, or open the inspector again"
        )


def _end_quietly(stream: ctypes.c_void_p) -> None:
    """End a capture whose work failed: the stream is of no use before; that error is the one."""
    graph = ctypes.c_void_p()
    _library().cuStreamEndCapture(stream, ctypes.byref(graph))
    if graph:
        _library().cuGraphDestroy(graph)
