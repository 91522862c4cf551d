"""asyncua's server behind a guard: who may speak at all, how much, and as whom.

As of 2.1 the library takes a session over any channel, also without encryption where that is not
offered; trusts a certificate only if the client cares to show it; lets a stranger take over a
session whose number he guesses; and believes that a packet is as long as its header says.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from typing import Any

from asyncua import Server, ua
from asyncua.common.utils import Buffer
from asyncua.server.binary_server_asyncio import BinaryServer, OPCUAProtocol
from asyncua.ua.ua_binary import header_from_binary, uatcp_to_binary

from res2clip_runtime.opcua.decoder_guard import install
from res2clip_runtime.opcua.gate import Gate
from res2clip_runtime.opcua.guarded_processor import LEAST_BUFFER_BYTES, GuardedProcessor
from res2clip_runtime.opcua.guarded_session import Caller, GuardedCore

__all__ = ["GuardedServer"]

logger = logging.getLogger(__name__)

_CHUNK_BYTES = 65_535
_MESSAGE_BYTES = 1_048_576


class _Protocol(OPCUAProtocol):
    """Cuts the stream into packets and ends a connection at its first defect."""

    def __init__(self, gate: Gate, **given: Any) -> None:
        super().__init__(**given)
        self._gate = gate
        self._received = bytearray()

    def connection_made(self, transport: Any) -> None:
        host = _host_of(transport)
        if sum(1 for other in self.clients if _waits(other, host)) >= self._most_waiting():
            logger.warning("opcua: too many connections of %s without a session", host)
            transport.close()
            return
        super().connection_made(transport)
        if self.transport is None:
            return
        self.processor = GuardedProcessor(self.iserver, transport, self.limits, self._gate)
        self.processor.set_policies(self.policies)
        _notice_the_dead(transport.get_extra_info("socket"))

    def data_received(self, data: bytes) -> None:
        if self.transport is None or self.transport.is_closing():
            return
        self._received += data
        while len(self._received) >= 8:
            size = int.from_bytes(self._received[4:8], "little")
            if not 12 < size <= _CHUNK_BYTES:
                self._end(ua.StatusCodes.BadTcpMessageTooLarge, f"a packet of {size} bytes")
                return
            if len(self._received) < size:
                return
            buffer = Buffer(bytes(self._received[:size]))
            del self._received[:size]
            try:
                self.messages.put_nowait((header_from_binary(buffer), buffer))
            except asyncio.QueueFull:
                self._end(ua.StatusCodes.BadTcpNotEnoughResources, "too many requests at once")
                return

    async def _process_received_message_loop(self) -> None:
        while True:
            header, buffer = await self.messages.get()
            if header is None:
                return
            try:
                if not await self._process_one_msg(header, buffer):
                    return
            except Exception as err:  # whatever it is, it came from outside
                code = getattr(err, "code", None) or ua.StatusCodes.BadTcpMessageTypeInvalid
                self._end(code, f"{type(err).__name__}: {err}")
                return

    def _most_waiting(self) -> int:
        """Return how many connections of one address may be without a session."""
        return max(2, self.iserver.max_connections // 2)

    def _end(self, code: int, reason: str) -> None:
        host = str(self.peer_name[0]) if self.peer_name else "?"
        logger.warning("opcua: the connection of %s is ended: %s", host, reason[:200])
        if self.transport is not None:
            error = ua.ErrorMessage(ua.StatusCode(code), reason[:200])
            with contextlib.suppress(Exception):
                self.transport.write(uatcp_to_binary(ua.MessageType.Error, error))
            self.transport.close()


class _Listener(BinaryServer):
    def __init__(self, gate: Gate, *given: Any) -> None:
        super().__init__(*given)
        self._gate = gate

    def _make_protocol(self) -> OPCUAProtocol:
        return _Protocol(
            self._gate,
            iserver=self.iserver,
            policies=self._policies,
            clients=self.clients,
            closing_tasks=self.closing_tasks,
            limits=self.limits,
        )


class GuardedServer(Server):
    """The library's server with our connections, sessions and limits."""

    def __init__(self, core: GuardedCore, gate: Gate) -> None:
        """Begin; :meth:`start` listens."""
        install()
        super().__init__(iserver=core)
        self._gate = gate
        self.bserver: _Listener | None
        self.application_type = ua.ApplicationType.Server
        self.limits.max_recv_buffer = self.limits.max_send_buffer = _CHUNK_BYTES
        self.limits.max_message_size = _MESSAGE_BYTES
        self.limits.max_chunk_count = _MESSAGE_BYTES // LEAST_BUFFER_BYTES

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.bserver.port) if self.bserver is not None else 0

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return len(self.bserver.clients) if self.bserver is not None else 0

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: the address cannot be listened on.
        """
        await self._setup_server_nodes()
        await self.iserver.start()
        host, port = self._get_bind_socket_info()
        self.bserver = _Listener(self._gate, self.iserver, host, port, self.limits)
        self.bserver.set_policies(self._policies)
        try:
            await self.bserver.start()
        except BaseException:
            self.bserver = None
            await self.iserver.stop()
            raise

    def end_those_removed(self) -> None:
        """End the connections of users who are not in the file any more, or in another role."""
        for client in list(self.bserver.clients) if self.bserver is not None else ():
            session = client.processor.session if client.processor is not None else None
            caller = session.user if session is not None and session.is_activated() else None
            user = caller.user if isinstance(caller, Caller) else None
            if user is not None and not self._gate.still_knows(user) and client.transport:
                logger.warning("opcua: %s may not be here any more; connection ended", user.name)
                client.transport.abort()

    async def stop(self) -> None:
        """End every connection and stop listening."""
        # One that reads nothing would keep the library waiting for its last bytes.
        for transport in list(self.iserver.asyncio_transports):
            transport.abort()
        await super().stop()


def _notice_the_dead(connection: socket.socket | None) -> None:
    """A client whose machine has lost its power is noticed within about 12 s."""
    if connection is None:
        return
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 5)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 2)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 12_000)


def _host_of(transport: Any) -> str:
    peer = transport.get_extra_info("peername") if transport is not None else None
    return str(peer[0]) if peer else "?"


def _waits(client: OPCUAProtocol, host: str) -> bool:
    session = client.processor.session if client.processor is not None else None
    return _host_of(client.transport) == host and (session is None or not session.is_activated())
