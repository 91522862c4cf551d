"""What a server's library says, among our events.

Where nobody has set up its loggers, Python prints its warnings as they are, as often as they come.
"""

from __future__ import annotations

import logging

from res2clip_runtime.closable import Closable

__all__ = ["LibraryLog"]

_LONGEST = 300


class LibraryLog(logging.Handler, Closable):
    """Passes a library's warnings and errors on while it is open."""

    def __init__(
        self, library: str, *, events: logging.Logger, strangers_cause_them: bool = False
    ) -> None:
        """Begin.

        Args:
            library: name of its logger.
            events: ours.
            strangers_cause_them: much of it is written at a stranger's wish, a trace for every odd
                packet: then it is information, short and without traces.
        """
        super().__init__(logging.WARNING)
        self._events = events
        self._short = strangers_cause_them
        self._library = logging.getLogger(library)
        self._library.addHandler(self)
        self._library.propagate = False

    def emit(self, record: logging.LogRecord) -> None:
        """Pass one event on."""
        text = " ".join(record.getMessage().split())
        if self._short:
            self._events.info("%s says: %s", self._library.name, text[:_LONGEST])
        else:
            self._events.log(record.levelno, "%s says: %s", self._library.name, text,
                             exc_info=record.exc_info)  # fmt: skip

    def close(self) -> None:
        """Leave the library's events alone again, unless another server of its kind is open."""
        self._library.removeHandler(self)
        self._library.propagate = not any(isinstance(h, LibraryLog) for h in self._library.handlers)
        super().close()
