"""How long to wait before another attempt, and how often to try."""

from __future__ import annotations

import math
from dataclasses import dataclass

from res2clip_runtime.errors import InputError

__all__ = ["Backoff"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Waits that double from ``first_s`` to ``most_s``."""

    first_s: float = 0.1
    """Wait after the first failure, in seconds."""
    most_s: float = 2.0
    """Longest wait, in seconds: at most so much later does a sink notice that all is well again."""
    attempts: int | None = None
    """Attempts per verdict before it is given up; None: until it is written."""

    def __post_init__(self) -> None:
        if not 0 < self.first_s <= self.most_s < math.inf:
            raise InputError(
                f"back-off is from {self.first_s} s to {self.most_s} s, "
                "expected 0 < first_s <= most_s"
            )
        if self.attempts is not None and self.attempts < 1:
            raise InputError(f"attempts is {self.attempts}, expected at least 1")

    def wait_s(self, failures: int) -> float:
        """Return the seconds to wait after ``failures`` failures in a row, 1 or more."""
        return min(self.most_s, self.first_s * 2.0 ** min(failures - 1, 32))

    def used_up(self, failures: int) -> bool:
        """Return whether a verdict that failed so often is given up."""
        return self.attempts is not None and failures >= self.attempts
