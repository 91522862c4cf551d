"""The fake driver as a test sees it, inside the subprocess that runs on it (``fake_driver.c``)."""

from __future__ import annotations

import ctypes

__all__ = ["LAUNCH_FAILED", "OUT_OF_MEMORY", "FakeDriver"]

OUT_OF_MEMORY = 2
LAUNCH_FAILED = 719

_KINDS = (
    "device memory",
    "host memory",
    "streams",
    "events",
    "modules",
    "contexts",
    "graphs",
    "executable graphs",
)


class FakeDriver:
    """Faults to inject, calls counted, and what is still alive."""

    def __init__(self) -> None:
        self.library = ctypes.CDLL("libcuda.so.1")
        self.library.fake_fail.argtypes = [
            ctypes.c_char_p,
            ctypes.c_long,
            ctypes.c_long,
            ctypes.c_int,
        ]
        self.library.fake_fail.restype = None
        self.library.fake_on_device.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
        for name in ("fake_calls", "fake_live", "fake_called"):
            getattr(self.library, name).restype = ctypes.c_long

    def fail(self, function: str, result: int, *, nth: int = 1, times: int = 1) -> None:
        """Let the n-th call from now of a function (``cuMemAlloc_v2``) fail, and those after it.

        pycuda calls an allocation that found no memory once more: give ``times=2`` for that.
        """
        self.library.fake_fail(function.encode(), nth, times, result)

    def forgive(self, function: str) -> None:
        """Let no further call of a function fail."""
        self.library.fake_fail(function.encode(), 0, 0, 0)

    def calls(self, function: str) -> int:
        """Return how often a function has been called."""
        return self.library.fake_calls(function.encode())

    def called(self) -> list[str]:
        """Return the names of the functions that have been called."""
        text = ctypes.create_string_buffer(1 << 16)
        self.library.fake_called(text, ctypes.c_long(len(text)))
        return text.value.decode().split()

    def live(self) -> dict[str, int]:
        """Return how many objects of each kind are made and not freed, the zeros left out."""
        counts = {kind: self.library.fake_live(index) for index, kind in enumerate(_KINDS)}
        return {kind: count for kind, count in counts.items() if count}
