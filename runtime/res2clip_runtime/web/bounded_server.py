"""uvicorn's server with a bound on its connections, those in mid-handshake included.

A connection takes a descriptor of the process: whoever opens a thousand must not keep a lost camera
from being opened anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl

import uvicorn

from res2clip_runtime.web.connection import Connection

__all__ = ["BoundedServer"]

logger = logging.getLogger(__name__)

MOST = 256
"""Connections at once; one more is closed."""
HANDSHAKE_S = 10.0
"""Longest time for TLS to begin."""
_AGAIN_S = 0.2


class BoundedServer(uvicorn.Server):
    """Accepts by itself; everything else is uvicorn's."""

    def __init__(
        self, config: uvicorn.Config, *, listener: socket.socket, tls: ssl.SSLContext | None
    ) -> None:
        """Serve what connects to ``listener``."""
        super().__init__(config)
        self._listener = listener
        self._tls = tls
        self._beginning: set[asyncio.Task[None]] = set()
        self._accepting: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to accept."""
        await self.lifespan.startup()
        self.servers = []
        self._listener.setblocking(False)
        self._accepting = asyncio.ensure_future(self._accept())
        self.started = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept no more and end what is open."""
        for task in (self._accepting, *self._beginning):
            if task is not None:
                task.cancel()
        self._listener.close()
        await super().shutdown(sockets)

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, _ = await loop.sock_accept(self._listener)
            except OSError as err:  # no descriptors left, or it was gone before we took it
                logger.warning("page: a connection could not be taken: %s", err)
                await asyncio.sleep(_AGAIN_S)
                continue
            if len(self.server_state.connections) + len(self._beginning) >= MOST:
                logger.warning("page: more than %d connections; one was closed", MOST)
                connection.close()
                continue
            task = asyncio.ensure_future(self._begin(connection))
            self._beginning.add(task)
            task.add_done_callback(self._beginning.discard)

    async def _begin(self, connection: socket.socket) -> None:
        timeout_s = HANDSHAKE_S if self._tls else None
        try:
            with contextlib.suppress(OSError):  # no TLS, or not in time: it is closed by then
                await asyncio.get_running_loop().connect_accepted_socket(
                    self._protocol, connection, ssl=self._tls, ssl_handshake_timeout=timeout_s
                )
        except asyncio.CancelledError:
            connection.close()
            raise

    def _protocol(self) -> Connection:
        return Connection(
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
        )
