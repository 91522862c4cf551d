"""What happens, to everybody who listens: Server-Sent Events.

Events are written once for all listeners and sent together a few times a second, so that many
parts and many listeners cost the inspection nothing.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import AsyncGenerator, Callable
from typing import Any, TypeAlias

from res2clip_runtime.web.json_answer import json_bytes

__all__ = ["Events"]

logger = logging.getLogger(__name__)

GATHER_S = 0.04
"""An event is sent so much later, together with what came meanwhile."""
_MOST_WAITING = 1000
"""Events that a slow listener may be behind; then the oldest go."""

_Pending: TypeAlias = "tuple[str, Callable[[], dict[str, Any]]]"


class Events:
    """Lives on the server's loop; :meth:`publish` may be called from any thread."""

    def __init__(self) -> None:
        """Begin without listeners, on the running loop."""
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._pending: deque[_Pending] = deque(maxlen=_MOST_WAITING)
        self._scheduled = False
        self._listeners: list[_Listener] = []

    def publish(self, kind: str, values: Callable[[], dict[str, Any]]) -> None:
        """Tell all listeners; quick: ``values`` is asked later, and only if anybody listens."""
        if not self._listeners:
            return
        with self._lock:
            self._pending.append((kind, values))
            if self._scheduled:
                return
            self._scheduled = True
        try:
            self._loop.call_soon_threadsafe(self._loop.call_later, GATHER_S, self._send)
        except RuntimeError:
            return  # the server has ended

    async def listen(self, first: Callable[[], dict[str, Any]]) -> AsyncGenerator[bytes, None]:
        """Yield what is to be sent: the health ``first``, then events as they come."""
        listener = _Listener()
        self._listeners.append(listener)
        try:
            yield b"retry: 1000\n\n" + _encoded("health", first())
            while True:
                await listener.news.wait()
                yield listener.take()
        finally:
            self._listeners.remove(listener)

    def _send(self) -> None:
        with self._lock:
            pending = list(self._pending)
            self._pending.clear()
            self._scheduled = False
        events = []
        for kind, values in pending:
            try:
                events.append(_encoded(kind, values()))
            except Exception:  # the other events are told
                logger.exception("a defect of res2clip, please report it: the event %s", kind)
        for listener in self._listeners:
            listener.put(events)


class _Listener:
    def __init__(self) -> None:
        self._waiting: deque[bytes] = deque(maxlen=_MOST_WAITING)
        self.news = asyncio.Event()

    def put(self, events: list[bytes]) -> None:
        self._waiting.extend(events)
        self.news.set()

    def take(self) -> bytes:
        data = b"".join(self._waiting)
        self._waiting.clear()
        self.news.clear()
        return data


def _encoded(kind: str, values: dict[str, Any]) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (kind.encode(), json_bytes(values))
