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
import time
from typing import Any

from asyncua import Server, ua
from asyncua.common.utils import Buffer, ServiceError
from asyncua.server.binary_server_asyncio import BinaryServer, OPCUAProtocol
from asyncua.server.internal_session import SessionState
from asyncua.server.uaprocessor import UaProcessor
from asyncua.ua.ua_binary import header_from_binary, struct_from_binary, uatcp_to_binary

from res2clip_runtime.opcua.decoder_guard import install
from res2clip_runtime.opcua.guarded_session import (
    CALLER,
    LOGGED_IN,
    Caller,
    GuardedCore,
    GuardedSession,
)
from res2clip_runtime.opcua.login_limit import LoginLimit
from res2clip_runtime.opcua.trust_list import TrustList
from res2clip_runtime.service.users import User, UserBook

__all__ = ["Gate", "GuardedServer"]

logger = logging.getLogger(__name__)

_CHUNK_BYTES = 65_535
_MESSAGE_BYTES = 1_048_576
_LEAST_BUFFER_BYTES = 8192  # Part 6, 7.1.2.3
_UNREAD_BYTES = 4_194_304
"""A client that leaves so much unread is cut off: it would fill the memory."""
_IDS = ua.ObjectIds


def _requests(*names: str) -> frozenset[int]:
    return frozenset(getattr(_IDS, f"{name}Request_Encoding_DefaultBinary") for name in names)


_DISCOVERY = _requests("GetEndpoints", "FindServers", "CloseSecureChannel")
_CREATE, _ACTIVATE = _requests("CreateSession"), _requests("ActivateSession")
_SESSION = _requests(
    "CloseSession", "Read", "Write", "Browse", "TranslateBrowsePathsToNodeIds", "Call",
    "RegisterNodes", "UnregisterNodes", "CreateSubscription", "ModifySubscription",
    "DeleteSubscriptions", "SetPublishingMode", "Publish", "Republish", "CreateMonitoredItems",
    "ModifyMonitoredItems", "DeleteMonitoredItems", "SetMonitoringMode",
)  # fmt: skip


class Gate:
    """Who may open a session, and as whom."""

    def __init__(self, trust: TrustList, users: UserBook | None, *, unsecured: bool) -> None:
        """Ask ``trust`` for certificates and ``users`` for passwords.

        Args:
            trust: clients' certificates.
            users: names and passwords; None: everybody is an engineer.
            unsecured: whether sessions without encryption are taken.
        """
        self.trust = trust
        self.users = users
        self.unsecured = unsecured
        self._limit = LoginLimit()

    def still_knows(self, user: User) -> bool:
        """Return whether ``user`` is as the file says now."""
        return self.users is None or self.users.users.find(user.name) == user

    async def log_in(self, name: str, secret: str, host: str) -> User:
        """Return the user whose password or token it is.

        Raises:
            ServiceError: BadUserAccessDenied: it is wrong, or too many were.
        """
        now_s, name = time.monotonic(), name[:64]
        user = None
        if self._limit.blocked(name, host, now_s):
            logger.warning("opcua: logins as %r from %s are refused for a minute", name, host)
        elif self.users is not None:
            # On a thread: a password takes 0.2 s, and the other clients go on meanwhile.
            user = await asyncio.to_thread(self._check, name, secret)
            if user is None:
                self._limit.failed(name, host, now_s)
                logger.warning("opcua: a login as %r from %s failed", name, host)
            else:
                self._limit.succeeded(name, host)
        if user is None:
            raise ServiceError(ua.StatusCodes.BadUserAccessDenied)
        logger.info("opcua: %s has logged in from %s", user.name, host)
        return user

    def _check(self, name: str, secret: str) -> User | None:
        assert self.users is not None
        users = self.users.users
        by_token = users.check_token(secret)
        if by_token is not None:
            return by_token if by_token.name == name else None
        return users.check_password(name, secret)


class _Processor(UaProcessor):
    """Serves one connection; its session lives and ends with it."""

    def __init__(self, core: GuardedCore, transport: Any, limits: Any, gate: Gate) -> None:
        super().__init__(core, transport, limits)
        self._gate = gate
        self._host = str(self.name[0]) if self.name else "?"

    async def process(self, header: Any, body: Any) -> bool:
        going = await super().process(header, body)
        return bool(going) and self._limits.max_send_buffer >= _LEAST_BUFFER_BYTES

    def send_response(self, *args: Any, **kwargs: Any) -> None:
        super().send_response(*args, **kwargs)
        if self._transport.get_write_buffer_size() > _UNREAD_BYTES:
            logger.warning("opcua: the client at %s reads nothing; it is cut off", self._host)
            self._transport.abort()

    def _should_close_session_on_transport_loss(self) -> bool:
        return self.session is not None

    async def _process_message(self, typeid: Any, requesthdr: Any, seqhdr: Any, body: Any) -> Any:
        service = typeid.Identifier if typeid.NamespaceIndex == 0 else None
        logged_in = caller = None
        if service not in _DISCOVERY:
            self._check_channel()
            if service in _CREATE:
                self._check_client(struct_from_binary(ua.CreateSessionParameters, body.copy()))
            elif service in _ACTIVATE:
                logged_in = await self._log_in(
                    struct_from_binary(ua.ActivateSessionParameters, body.copy())
                )
            elif service not in _SESSION:
                raise ServiceError(ua.StatusCodes.BadServiceUnsupported)
            else:
                caller = self._caller()
        tokens = LOGGED_IN.set(logged_in), CALLER.set(caller)
        try:
            return await super()._process_message(typeid, requesthdr, seqhdr, body)
        finally:
            LOGGED_IN.reset(tokens[0])
            CALLER.reset(tokens[1])

    def _check_channel(self) -> None:
        mode = self._connection.security_policy.Mode
        if mode != ua.MessageSecurityMode.SignAndEncrypt and not self._gate.unsecured:
            raise ServiceError(ua.StatusCodes.BadSecurityModeInsufficient)

    def _check_client(self, params: ua.CreateSessionParameters) -> None:
        if self.session is not None and self.session.state is not SessionState.Closed:
            raise ServiceError(ua.StatusCodes.BadTooManySessions)
        policy = self._connection.security_policy
        if policy.Mode == ua.MessageSecurityMode.None_:
            return
        shown = policy.peer_certificate  # by the channel: what the request says proves nothing
        if shown is None or (params.ClientCertificate and params.ClientCertificate != shown):
            raise ServiceError(ua.StatusCodes.BadCertificateInvalid)
        uri = params.ClientDescription.ApplicationUri or ""
        if (distrust := self._gate.trust.check(shown, uri)) is not None:
            raise ServiceError(getattr(ua.StatusCodes, distrust.value))

    async def _log_in(self, params: ua.ActivateSessionParameters) -> User:
        if self.session is None:
            raise ServiceError(ua.StatusCodes.BadSessionIdInvalid)
        if self._gate.users is None:
            return User("local", "engineer")
        token = params.UserIdentityToken
        if not isinstance(token, ua.UserNameIdentityToken):
            raise ServiceError(ua.StatusCodes.BadIdentityTokenRejected)
        try:
            name, secret = self.iserver.decrypt_user_token(self.session, token)
        except ServiceError:
            raise
        except Exception as err:
            raise ServiceError(ua.StatusCodes.BadIdentityTokenInvalid) from err
        return await self._gate.log_in(str(name or ""), str(secret or ""), self._host)

    def _caller(self) -> tuple[str, User] | None:
        session = self.session
        if not isinstance(session, GuardedSession) or not isinstance(session.user, Caller):
            return None
        return (session.key, session.user.user) if session.user.user is not None else None


class _Protocol(OPCUAProtocol):
    """Cuts the stream into packets and ends a connection at its first defect."""

    def __init__(self, gate: Gate, **given: Any) -> None:
        super().__init__(**given)
        self._gate = gate
        self._received = bytearray()

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if self.transport is None:
            return
        self.processor = _Processor(self.iserver, transport, self.limits, self._gate)
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
        self.limits.max_chunk_count = _MESSAGE_BYTES // _LEAST_BUFFER_BYTES

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
