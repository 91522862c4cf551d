"""A live source whose handle blocks and is therefore used by a thread of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from res2clip_runtime.sources.frame import Frame
from res2clip_runtime.sources.reader_thread import Handle, ReaderThread
from res2clip_runtime.sources.source import Source

__all__ = ["ThreadedSource"]

_TRIGGERED = 8
"""So many triggered pictures wait for the reader."""


class ThreadedSource(Source):
    """The newest picture of a handle; in triggered mode each, in order."""

    live = True

    def __init__(
        self,
        opening: Callable[[], Handle],
        *,
        name: str,
        timeout_s: float,
        trigger: str = "off",
        close_s: float = 3.0,
    ) -> None:
        """Start the thread, and wait until the handle is open.

        Args:
            opening: opens the handle, in the thread; with a software trigger it has ``trigger()``.
            name: what is read, for messages.
            timeout_s: longest wait for the handle.
            trigger: of the settings.
            close_s: longest wait for the handle's end.

        Raises:
            Res2ClipError: what ``opening`` raised.
            SourceError: it was not open in time.
        """
        self.waits = trigger != "off"
        self.has_trigger = trigger == "software"
        self._close_s = close_s
        self._thread = ReaderThread(
            opening, name=name, timeout_s=timeout_s, keep=_TRIGGERED if self.waits else 1
        )

    @property
    def dropped(self) -> int:  # type: ignore[override]  # a figure of the thread's
        """See :class:`Source`."""
        return self._thread.dropped

    @property
    def damaged(self) -> int:  # type: ignore[override]  # a figure of the handle's
        """See :class:`Source`."""
        return self._thread.damaged

    def describe(self) -> str:
        """Return what the handle says of itself."""
        return self._thread.description

    def read(self, timeout_s: float) -> Frame | None:
        """Return the newest picture, in triggered mode the next one; see :class:`Source`."""
        return self._thread.read(timeout_s)

    def trigger(self) -> None:
        """Take one picture now; see :class:`Source`."""
        handle: Any = self._thread.handle
        if not self.has_trigger or handle is None:
            super().trigger()
            return
        self._thread.forget()
        handle.trigger()

    def close(self) -> None:
        """Free the handle; one that blocks is left behind after a while."""
        self._thread.close(self._close_s)
