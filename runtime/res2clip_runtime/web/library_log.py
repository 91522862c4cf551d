"""uvicorn's own words, where they matter, among the line's events."""

from __future__ import annotations

import logging

__all__ = ["forward_library_log"]

logger = logging.getLogger(__name__)


class _Forward(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        logger.log(record.levelno, "uvicorn: %s", record.getMessage(), exc_info=record.exc_info)


def forward_library_log() -> None:
    """Show uvicorn's warnings and errors as ours; that it starts and stops, we say ourselves."""
    library = logging.getLogger("uvicorn")
    if not any(isinstance(handler, _Forward) for handler in library.handlers):
        library.addHandler(_Forward(logging.WARNING))
        library.setLevel(logging.WARNING)
        library.propagate = False
