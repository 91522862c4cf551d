"""A connection of the web server, bounded in the time it may do nothing."""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

__all__ = ["ABORT", "Connection"]

logger = logging.getLogger(__name__)

ABORT = "res2clip.abort"
"""Key of the request's state: a call that ends the connection at once."""
FIRST_S = 10.0
"""A connection that has sent no whole request by then is closed."""
_SEND_BYTES = 131_072
"""What waits in the kernel for a slow viewer is old when it arrives: a picture or two."""
_KEEP_ALIVE = (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3))
"""A viewer whose power is cut says no goodbye: it is missed after a minute."""


class Connection(H11Protocol):
    """uvicorn's, which by itself waits for a first request forever."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin."""
        super().connection_made(transport)
        self.logger = logger
        self.access_log = False
        _tune(transport.get_extra_info("socket"))
        self._await_request()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._forget_deadline()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """Take what has come; a whole request ends the waiting for it."""
        before = self.cycle
        super().handle_events()
        if self.cycle is not before:
            self._forget_deadline()
            # For a stream to a viewer who takes nothing: no polite end would ever get through.
            self.cycle.scope["state"][ABORT] = self.transport.abort

    def on_response_complete(self) -> None:
        """Wait for the next request; half of one is as good as none."""
        super().on_response_complete()
        if not self.transport.is_closing() and self.cycle.response_complete:
            self._await_request()

    def _await_request(self) -> None:
        self._forget_deadline()
        self._deadline = self.loop.call_later(FIRST_S, self._give_up)

    def _give_up(self) -> None:
        if not self.transport.is_closing():
            self.transport.abort()

    def _forget_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def _tune(connection: Any) -> None:
    if connection is None:
        return
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BYTES)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEP_ALIVE:
        if hasattr(socket, name):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
