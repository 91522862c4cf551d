"""Numbers of parts that are never given twice, also after a restart.

A page that was open before the restart may still complain about part 17: it must not be another.
"""

from __future__ import annotations

import json
import logging
import time
from pathlib import Path

from res2clip_runtime.errors import OutputError
from res2clip_runtime.storage import write_atomically

__all__ = ["PartNumbers"]

logger = logging.getLogger(__name__)

_BLOCK = 10_000
_AGAIN_S = 10.0


class PartNumbers:
    """Reserves numbers on the disk, a block at a time; used from one thread."""

    def __init__(self, path: Path) -> None:
        """Reserve the first block.

        Raises:
            OutputError: the place cannot be written.
        """
        self._path = path
        self.first = _reserved(path) + 1
        """Number of the first part of this run."""
        self._reserved = self.first - 1
        self._not_before_s = 0.0
        self._reserve()

    def keep_ahead(self, next_number: int) -> None:
        """Reserve more when ``next_number`` comes near the end; never raises."""
        if self._reserved - next_number > _BLOCK // 2 or time.monotonic() < self._not_before_s:
            return
        try:
            self._reserve()
        except OutputError as err:
            self._not_before_s = time.monotonic() + _AGAIN_S
            logger.error("numbers of parts cannot be reserved: %s", err)

    def _reserve(self) -> None:
        values = {"reserved": self._reserved + _BLOCK}
        write_atomically(self._path, json.dumps(values).encode())
        self._reserved += _BLOCK


def _reserved(path: Path) -> int:
    try:
        number = json.loads(path.read_text(encoding="utf-8"))["reserved"]
        if type(number) is int and 0 <= number < 2**52:
            return number
    except FileNotFoundError:
        return 0
    except (OSError, ValueError, TypeError, KeyError):
        pass
    # Above everything that was given before: numbers grow far slower than a thousand a second.
    beyond = int(time.time() * 1000)
    logger.error("%s is damaged; numbers of parts go on from %d", path, beyond)
    return beyond
