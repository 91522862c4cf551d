"""Who has logged in: cookies, kept in memory only, so that a restart ends all sessions."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections import OrderedDict
from dataclasses import dataclass

__all__ = ["Sessions"]

IDLE_S = 12 * 3600.0
"""A session that is not used for so long ends: a shift and its handover."""
LONGEST_S = 30 * 86400.0
"""Then everybody logs in again."""
_MOST = 1000
_MOST_OF_ONE = 20


@dataclass(slots=True)
class _Session:
    name: str
    proof: str
    began_s: float
    used_s: float


class Sessions:
    """Sessions by the hash of their cookie; used from one thread."""

    def __init__(self) -> None:
        """Begin with none."""
        self._sessions: OrderedDict[bytes, _Session] = OrderedDict()

    def begin(self, name: str, proof: str) -> str:
        """Return the cookie of a new session of a user.

        Args:
            name: of the user.
            proof: what changes when the user's password does; the session ends then.
        """
        own = [key for key, session in self._sessions.items() if session.name == name]
        for key in own[: max(0, len(own) - _MOST_OF_ONE + 1)]:
            del self._sessions[key]
        while len(self._sessions) >= _MOST:
            self._sessions.popitem(last=False)
        cookie, now_s = secrets.token_urlsafe(32), time.monotonic()
        self._sessions[_key(cookie)] = _Session(name, proof, now_s, now_s)
        return cookie

    def find(self, cookie: str) -> tuple[str, str] | None:
        """Return name and proof of a session's user, or None if there is no such session."""
        key, now_s = _key(cookie), time.monotonic()
        session = self._sessions.get(key)
        if session is None:
            return None
        if now_s - session.used_s > IDLE_S or now_s - session.began_s > LONGEST_S:
            del self._sessions[key]
            return None
        session.used_s = now_s
        self._sessions.move_to_end(key)
        return session.name, session.proof

    def end(self, cookie: str) -> None:
        """Forget a session."""
        self._sessions.pop(_key(cookie), None)


def _key(cookie: str) -> bytes:
    return hashlib.sha256(cookie.encode("utf-8", "surrogatepass")).digest()
