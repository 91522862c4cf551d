"""Passwords that are guessed: who fails too often waits, and costs nothing meanwhile."""

from __future__ import annotations

from collections import OrderedDict

__all__ = ["LoginLimit"]

FAILURES = 5
WAIT_S = 60.0
_KEPT = 256


class LoginLimit:
    """Counts failures by a key (an address, a name); times are those of ``time.monotonic``."""

    def __init__(self) -> None:
        """Begin with a clean sheet."""
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def blocked(self, key: str, now_s: float) -> bool:
        """Return whether ``key`` must wait: five failures, the last within a minute."""
        count, last_s = self._failures.get(key, (0, 0.0))
        return count >= FAILURES and now_s - last_s < WAIT_S

    def failed(self, key: str, now_s: float) -> None:
        """Note a failure."""
        count, last_s = self._failures.pop(key, (0, now_s))
        self._failures[key] = (1 if now_s - last_s >= WAIT_S else count + 1, now_s)
        if len(self._failures) > _KEPT:
            self._failures.popitem(last=False)

    def succeeded(self, key: str) -> None:
        """Forget the failures of ``key``."""
        self._failures.pop(key, None)
