"""The line's events on stderr, instead of the warnings of the other commands."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from res2clip_runtime.service.log_lines import RepeatFilter, hide_secrets, line_formatter

__all__ = ["log_lines"]

_ROOT = "res2clip_runtime"


@contextmanager
def log_lines(
    kind: Literal["text", "json"] | None, *, level: Literal["info", "warning"]
) -> Iterator[None]:
    """Log our events from ``level`` on, and warnings of other libraries, while the block runs.

    Args:
        kind: how an event is written; None: as ``warning: ...``, for a person at the terminal.
        level: the least that is logged.
    """
    logger = logging.getLogger(_ROOT)
    handler = logging.StreamHandler()
    handler.setFormatter(_ForPeople() if kind is None else line_formatter(kind))
    handler.addFilter(RepeatFilter())
    before = (logger.handlers[:], logger.level, logger.propagate)
    logger.handlers[:] = [handler]
    logger.setLevel(logging.WARNING if level == "warning" else logging.INFO)
    logger.propagate = False
    # Without a handler there Python writes them as they are, as often as they come.
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)
        logger.handlers[:], level_before, logger.propagate = before
        logger.setLevel(level_before)


class _ForPeople(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        repeats = getattr(record, "repeats", 0)
        more = f" (and {repeats} times more)" if repeats else ""
        return f"warning: {' '.join(hide_secrets(record.getMessage()).split())}{more}"
