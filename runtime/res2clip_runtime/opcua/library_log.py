"""What asyncua says, among our events: once a minute each, and without traces.

Much of it is written at a stranger's wish, a trace for every odd packet; where nobody has set up
its loggers Python prints that as it is.
"""

from __future__ import annotations

import logging

from res2clip_runtime.closable import Closable

__all__ = ["LibraryLog"]

logger = logging.getLogger(__name__)


class LibraryLog(logging.Handler, Closable):
    """Passes the library's warnings on while it is open."""

    def __init__(self) -> None:
        """Begin."""
        super().__init__(logging.WARNING)
        self._library = logging.getLogger("asyncua")
        self._propagated = self._library.propagate
        self._library.addHandler(self)
        self._library.propagate = False

    def emit(self, record: logging.LogRecord) -> None:
        """Pass one event on."""
        text = " ".join(record.getMessage().split())
        logger.info("asyncua says: %s", text[:300])

    def close(self) -> None:
        """Leave the library's events alone again."""
        self._library.removeHandler(self)
        self._library.propagate = self._propagated
        super().close()
