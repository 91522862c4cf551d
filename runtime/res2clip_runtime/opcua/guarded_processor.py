"""What a client asks, looked at before the library serves it."""

from __future__ import annotations

import logging
from typing import Any

from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.server.internal_session import SessionState
from asyncua.server.uaprocessor import UaProcessor
from asyncua.ua.ua_binary import struct_from_binary

from res2clip_runtime.opcua.gate import Gate
from res2clip_runtime.opcua.guarded_session import (
    CALLER,
    LOGGED_IN,
    Caller,
    GuardedCore,
    GuardedSession,
)
from res2clip_runtime.service.users import User

__all__ = ["LEAST_BUFFER_BYTES", "GuardedProcessor"]

logger = logging.getLogger(__name__)

LEAST_BUFFER_BYTES = 8192
"""Part 6, 7.1.2.3: what a client can take at least."""
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


class GuardedProcessor(UaProcessor):
    """Serves one connection; its session lives and ends with it."""

    def __init__(self, core: GuardedCore, transport: Any, limits: Any, gate: Gate) -> None:
        """Serve the client at the other end of ``transport``, if ``gate`` lets it in."""
        super().__init__(core, transport, limits)
        self._gate = gate
        self._host = str(self.name[0]) if self.name else "?"

    async def process(self, header: Any, body: Any) -> bool:
        """Serve one packet; False: the connection ends."""
        going = await super().process(header, body)
        return bool(going) and self._limits.max_send_buffer >= LEAST_BUFFER_BYTES

    def send_response(self, *args: Any, **kwargs: Any) -> None:
        """Send, unless the client has stopped reading."""
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
