"""Where a camera's thread leaves its pictures for the inspection."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from res2clip_runtime.sources.frame import Frame

__all__ = ["FrameBox"]


class FrameBox:
    """One picture at a time.

    From a live source the newest replaces an older one, which is counted; from any other, the
    thread that brings it waits until the one before is taken, so that every picture is inspected.
    """

    def __init__(self, arrivals: threading.Condition) -> None:
        """Notify ``arrivals``, which the inspection waits on, for all of its boxes."""
        self._arrivals = arrivals
        self._frames: deque[Frame] = deque()
        self._dropped = 0

    @property
    def dropped(self) -> int:
        """Pictures that a newer one replaced."""
        return self._dropped

    def put_newest(self, frame: Frame) -> None:
        """Leave a picture; one that lies there is dropped."""
        with self._arrivals:
            self._dropped += len(self._frames)
            self._frames.clear()
            self._frames.append(frame)
            self._arrivals.notify_all()

    def put_next(self, frame: Frame, *, stop: Callable[[], bool]) -> None:
        """Leave a picture when the one before is taken; ``stop`` ends the waiting."""
        with self._arrivals:
            while self._frames and not stop():
                self._arrivals.wait(0.2)
            if not stop():
                self._frames.append(frame)
                self._arrivals.notify_all()

    def take(self) -> Frame | None:
        """Return the picture, or None if there is none; call it while holding ``arrivals``."""
        if not self._frames:
            return None
        self._arrivals.notify_all()
        return self._frames.popleft()

    def __len__(self) -> int:
        """Return 1 if a picture lies here, else 0."""
        return len(self._frames)
