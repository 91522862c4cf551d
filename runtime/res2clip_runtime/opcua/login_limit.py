"""Passwords that are guessed: who fails too often waits, and costs nothing meanwhile."""

from __future__ import annotations

from collections import OrderedDict

__all__ = ["LoginLimit"]

WAIT_S = 60.0
_MOST = 5
"""Failures with one name from one address."""
_MOST_OF_HOST = 25
"""Failures from one address: another program there may have an old password."""
_KEPT = 256


class LoginLimit:
    """Counts failures by name and address; times are those of ``time.monotonic``."""

    def __init__(self) -> None:
        """Begin with a clean sheet."""
        self._failures: OrderedDict[tuple[str, ...], tuple[int, float]] = OrderedDict()

    def blocked(self, name: str, host: str, now_s: float) -> bool:
        """Return whether ``name`` from ``host`` must wait until a minute after the last failure."""
        return (
            self._count((host, name), now_s) >= _MOST
            or self._count((host,), now_s) >= _MOST_OF_HOST
        )

    def failed(self, name: str, host: str, now_s: float) -> None:
        """Note a failure."""
        for key in ((host, name), (host,)):
            self._failures[key] = (self._count(key, now_s) + 1, now_s)
            self._failures.move_to_end(key)
        while len(self._failures) > _KEPT:
            self._failures.popitem(last=False)

    def succeeded(self, name: str, host: str) -> None:
        """Forget the failures of a name."""
        self._failures.pop((host, name), None)

    def _count(self, key: tuple[str, ...], now_s: float) -> int:
        count, last_s = self._failures.get(key, (0, 0.0))
        return count if now_s - last_s < WAIT_S else 0
