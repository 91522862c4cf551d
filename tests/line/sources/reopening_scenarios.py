"""A source that is opened and closed again and again, as a line does with one that breaks."""

from __future__ import annotations

import gc
import threading
from pathlib import Path

from line.components.child import await_true

from res2clip_runtime.errors import Res2ClipError
from res2clip_runtime.sources import CameraSettings, open_source


def reopen(place: str, rounds: int) -> int:
    """Return how often it could be opened; fail if threads or descriptors grow after two rounds."""
    opened = sum(_once(place) for _ in range(2))
    descriptors, threads = _descriptors(), _threads()
    opened += sum(_once(place) for _ in range(rounds))
    # Libraries end their own threads a moment after they were told to.
    await_true(
        lambda: gc.collect() >= 0 and _descriptors() <= descriptors and _threads() <= threads,
        f"no more than {descriptors} descriptors and {threads} threads, of which Python's are "
        f"{threading.enumerate()}",
        deadline_s=5.0,
    )
    return opened


def _once(place: str) -> bool:
    settings = CameraSettings(connect_timeout_s=2.0, read_timeout_s=1.0)
    try:
        with open_source(place, settings=settings) as source:
            return source.read(5.0) is not None
    except Res2ClipError:
        return False  # places that cannot be opened are tried again and again, too


def _descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def _threads() -> int:
    """Return the threads of the process, those of C libraries among them."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("Threads:")[2].split()[0])
