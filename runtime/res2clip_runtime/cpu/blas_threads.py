"""How many threads NumPy's matrix products use, while our own threads share the cores.

Our threads each multiply a block.  If every product started threads of its own, they would wait for
each other: measured on two cores, matching takes 1.3 to 2 times as long.  NumPy has no setting for
it; the wheels' OpenBLAS has a function, which is what threadpoolctl calls, too.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache

import numpy as np

__all__ = ["one_blas_thread"]

# NumPy 2's wheels, NumPy 1.26's wheels, and an OpenBLAS that the system or conda provides.
_PREFIX_SUFFIX = (("scipy_", "64_"), ("scipy_", ""), ("", "64_"), ("", ""))


class _Users:
    """How many callers want one thread now, and how many threads there were before the first."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.count = 0
        self.threads_before = 0


_users = _Users()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Let NumPy's matrix products run in the calling thread only, for the whole process.

    The last caller to leave restores what was.  Under another library than OpenBLAS nothing
    changes: products are right all the same, only slower.
    """
    _enter()
    try:
        yield
    finally:
        _leave()


def _enter() -> None:
    if (control := _openblas()) is None:
        return
    get_threads, set_threads = control
    with _users.lock:
        if _users.count == 0:
            _users.threads_before = get_threads()
            set_threads(1)
        _users.count += 1


def _leave() -> None:
    if (control := _openblas()) is None:
        return
    with _users.lock:
        _users.count -= 1
        if _users.count == 0:
            control[1](_users.threads_before)


@lru_cache(maxsize=1)
def _openblas() -> tuple[Callable[[], int], Callable[[int], None]] | None:
    """Return OpenBLAS's functions to read and to set its threads, or None if it is not there."""
    core = getattr(np, "_core", None) or np.core  # its name before NumPy 2
    try:
        # A symbol is looked up in the libraries that NumPy's own one was linked with, too.
        library = ctypes.CDLL(core._multiarray_umath.__file__)
    except (AttributeError, OSError):
        return None
    for prefix, suffix in _PREFIX_SUFFIX:
        names = [f"{prefix}openblas_{verb}_num_threads{suffix}" for verb in ("get", "set")]
        if all(hasattr(library, name) for name in names):
            get_threads, set_threads = (getattr(library, name) for name in names)
            get_threads.argtypes, get_threads.restype = [], ctypes.c_int
            set_threads.argtypes, set_threads.restype = [ctypes.c_int], None
            return get_threads, set_threads
    return None
