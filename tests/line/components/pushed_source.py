"""A camera whose pictures a test pushes: what comes by a trigger wire cannot be simulated here."""

from __future__ import annotations

import queue
import time

import numpy as np

from res2clip_runtime.errors import SourceError
from res2clip_runtime.inspection import utc_now
from res2clip_runtime.sources import Frame, Source


class PushedSource(Source):
    """Live, waits, gives what is pushed."""

    live = True
    waits = True

    def __init__(self, name: str) -> None:
        self._name = name
        self._count = 0
        self._queue: queue.SimpleQueue[Frame | None] = queue.SimpleQueue()

    def describe(self) -> str:
        return "pushed pictures"

    def push(self, picture: np.ndarray, *, age_s: float = 0.0) -> None:
        """Give a picture that was taken ``age_s`` seconds ago."""
        self._count += 1
        frame = Frame(
            frame_id=f"{self._name}#{self._count}",
            image=picture,
            captured_at=utc_now(),
            captured_monotonic_s=time.monotonic() - age_s,
        )
        self._queue.put(frame)

    def break_off(self) -> None:
        self._queue.put(None)

    def read(self, timeout_s: float) -> Frame | None:
        try:
            frame = self._queue.get(timeout=max(timeout_s, 0.001))
        except queue.Empty:
            return None
        if frame is None:
            raise SourceError("the wire is cut; mend it")
        return frame

    def close(self) -> None:
        pass
