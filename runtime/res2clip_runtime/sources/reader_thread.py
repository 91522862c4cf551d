"""A thread that calls a blocking read, so that nobody else waits longer than they want to."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from res2clip_runtime.closable import Closable
from res2clip_runtime.errors import Res2ClipError, SourceError
from res2clip_runtime.sources.frame import Frame, LiveFrames

__all__ = ["Handle", "ReaderThread"]

logger = logging.getLogger(__name__)
H = TypeVar("H", bound="Handle")


class Handle(Protocol):
    """A device or connection that only blocks; the thread opens it, reads it and closes it."""

    frames: LiveFrames
    """Names its pictures and counts the damaged ones."""

    def grab(self) -> Frame | None:
        """Return the next picture however long it takes; None goes on to the next call."""

    def describe(self) -> str:
        """Return one line for the person at the machine."""

    def close(self) -> None:
        """Free it."""


class ReaderThread(Closable, Generic[H]):
    """Keeps the newest picture of a handle, or the last few.

    Libraries that block (FFmpeg, V4L2) do not bear being closed by another thread while they read.
    So the thread opens the handle, reads and closes it; one that never returns is left behind.
    """

    def __init__(
        self, opening: Callable[[], H], *, name: str, timeout_s: float, keep: int = 1
    ) -> None:
        """Start, and wait until the handle is open.

        Args:
            opening: opens it, in the thread.
            name: what is read, for messages.
            timeout_s: longest wait for the handle.
            keep: pictures that wait for the reader; one more drops the oldest.

        Raises:
            Res2ClipError: what ``opening`` raised.
            SourceError: it was not open in time.
        """
        self.dropped = 0
        self.description = name
        self.handle: H | None = None
        self._name, self._opening = name, opening
        self._changed = threading.Condition()
        self._opened = self._stop = False
        self._waiting: deque[Frame] = deque()
        self._keep = keep
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._run, name=f"read {name}", daemon=True)
        self._thread.start()
        with self._changed:
            if not self._changed.wait_for(lambda: self._opened or self._failure, timeout_s):
                self._stop = True
                raise SourceError(f"{name} did not answer within {timeout_s:g} s; check it")
            opened = self._opened
        if not opened:
            self._thread.join()  # it has failed, and ends
            self._raise_failure()

    @property
    def damaged(self) -> int:
        """Pictures that came damaged."""
        return self.handle.frames.damaged if self.handle else 0

    def read(self, timeout_s: float) -> Frame | None:
        """Return the oldest picture that waits, or None if none came in time.

        Raises:
            SourceError: there will be no more.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._failure, timeout_s)
            if self._waiting:
                return self._waiting.popleft()
            if self._failure is not None:
                self._raise_failure()
            return None

    def forget(self) -> None:
        """Drop the pictures that nobody has read."""
        with self._changed:
            self.dropped += len(self._waiting)
            self._waiting.clear()

    def close(self, timeout_s: float = 3.0) -> None:
        """Stop reading; wait for the thread at most ``timeout_s``."""
        with self._changed:
            self._stop = True
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            logger.warning("%s still blocks after %g s and is left behind", self._name, timeout_s)

    def _run(self) -> None:
        try:
            handle = self._opening()
        except Exception as err:  # told to whoever waits
            self._fail(err)
            return
        try:
            with self._changed:
                self.handle, self.description = handle, handle.describe()
                self._opened = True
                self._changed.notify_all()
            while not self._stop:
                if frame := handle.grab():
                    self._take(frame)
        except Exception as err:
            self._fail(err)
        finally:
            handle.close()

    def _take(self, frame: Frame) -> None:
        with self._changed:
            if len(self._waiting) == self._keep:
                self._waiting.popleft()
                self.dropped += 1
            self._waiting.append(frame)
            self._changed.notify_all()

    def _fail(self, err: Exception) -> None:
        with self._changed:
            self._failure = err
            self._changed.notify_all()

    def _raise_failure(self) -> None:
        failure = self._failure
        if isinstance(failure, Res2ClipError):
            raise failure
        raise SourceError(f"{self._name}: {failure or 'closed'}") from failure
