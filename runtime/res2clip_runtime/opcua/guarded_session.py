"""Sessions that cannot be guessed, shared or taken over."""

from __future__ import annotations

import contextvars
import math
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.crypto.permission_rules import User as LibraryUser
from asyncua.crypto.permission_rules import UserRole
from asyncua.server.internal_server import InternalServer
from asyncua.server.internal_session import InternalSession

from res2clip_runtime.service.users import User

__all__ = ["CALLER", "LOGGED_IN", "Caller", "GuardedCore", "GuardedSession"]

_FASTEST_MS = 20.0
_RSA15 = "http://www.w3.org/2001/04/xmlenc#rsa-1_5"


@dataclass
class Caller(LibraryUser):
    """Somebody of ours, as the library knows them: never its administrator."""

    user: User | None = None

    @classmethod
    def of(cls, user: User) -> Caller:
        """Return ``user`` as a caller."""
        return cls(role=UserRole.User, name=user.name, user=user)


LOGGED_IN: contextvars.ContextVar[User | None] = contextvars.ContextVar("logged_in", default=None)
"""Who has proved themselves in the request that is being served."""
CALLER: contextvars.ContextVar[tuple[str, User] | None] = contextvars.ContextVar(
    "caller", default=None
)
"""Session and user of the request that is being served."""


class _Proved:
    """Asked by the library at ActivateSession, after the request was looked at."""

    def get_user(self, *_: Any, **__: Any) -> Caller | None:
        user = LOGGED_IN.get()
        return None if user is None else Caller.of(user)


class GuardedSession(InternalSession):
    """A session with a secret token and subscriptions of its own."""

    def __init__(self, core: GuardedCore, name: str, *, external: bool, **given: Any) -> None:
        """Begin; ``external`` for a client's."""
        super().__init__(
            core, core.aspace, core.subscription_service, name, external=external, **given
        )
        if external:
            # The library's tokens are numbers one after the other: anybody could name another's.
            core.unregister_external_session(self)
            self.auth_token = ua.NodeId(secrets.token_bytes(32), 0, ua.NodeIdType.ByteString)
            core.register_external_session(self)

    @property
    def key(self) -> str:
        """Unlike that of any other session of this run."""
        return str(self.session_id.Identifier)

    async def close_session(self, delete_subs: bool = True) -> None:
        """Close it; what it started ends with it."""
        await super().close_session(True)
        if self.external:
            self.iserver.on_session_end(self.key)

    async def create_subscription(self, params: Any, *args: Any, **kwargs: Any) -> Any:
        """Create one that does not spin: the library takes any interval, also 0."""
        wished = params.RequestedPublishingInterval
        sane = math.isfinite(wished) and wished > 0
        params.RequestedPublishingInterval = (
            min(max(wished, _FASTEST_MS), 60_000) if sane else 100.0
        )
        return await super().create_subscription(params, *args, **kwargs)

    async def delete_subscriptions(self, ids: list[int]) -> list[ua.StatusCode]:
        """Delete its own."""
        mine = [each for each in ids if self._is_mine(each)]
        done = dict(zip(mine, await super().delete_subscriptions(mine), strict=True))
        unknown = ua.StatusCode(ua.StatusCodes.BadSubscriptionIdInvalid)
        return [done.get(each, unknown) for each in ids]

    async def create_monitored_items(self, params: Any) -> Any:
        """Create items in a subscription of its own."""
        self._check(params.SubscriptionId)
        return await super().create_monitored_items(params)

    async def modify_monitored_items(self, params: Any) -> Any:
        """Modify items of a subscription of its own."""
        self._check(params.SubscriptionId)
        return await super().modify_monitored_items(params)

    async def delete_monitored_items(self, params: Any) -> Any:
        """Delete items of a subscription of its own."""
        self._check(params.SubscriptionId)
        return await super().delete_monitored_items(params)

    async def set_monitoring_mode(self, params: Any) -> Any:
        """Do so in a subscription of its own."""
        self._check(params.SubscriptionId)
        return await super().set_monitoring_mode(params)

    async def set_publishing_mode(self, params: Any) -> Any:
        """Do so for subscriptions of its own."""
        for each in params.SubscriptionIds:
            self._check(each)
        return await super().set_publishing_mode(params)

    def modify_subscription(self, params: Any) -> Any:
        """Modify one of its own."""
        self._check(params.SubscriptionId)
        return super().modify_subscription(params)

    def republish(self, params: Any) -> Any:
        """Republish of one of its own."""
        self._check(params.SubscriptionId)
        return super().republish(params)

    def publish(self, acks: Iterable[Any] | None = None) -> tuple[int, list[ua.StatusCode]]:
        """Acknowledge what came from its own."""
        return super().publish([ack for ack in acks or () if self._is_mine(ack.SubscriptionId)])

    def _is_mine(self, subscription_id: int) -> bool:
        found = self.subscription_service.subscriptions.get(subscription_id)
        return found is not None and found.session_id == self.session_id

    def _check(self, subscription_id: int) -> None:
        if not self._is_mine(subscription_id):
            raise ServiceError(ua.StatusCodes.BadSubscriptionIdInvalid)


class GuardedCore(InternalServer):
    """The library's core with our sessions, users and limits."""

    def __init__(self, *, clients: int, on_session_end: Callable[[str], None]) -> None:
        """Begin with an empty address space; the library fills it."""
        super().__init__(user_manager=_Proved())
        self.on_session_end = on_session_end
        self.allow_remote_admin = False
        self.max_session_timeout_ms = 60_000
        self.max_connections = clients
        self.max_pending_activation_seconds = 10.0
        self.max_pending_messages_per_connection = 64
        self.max_subscriptions = 4 * clients
        self.max_monitored_item_queue_size = 1000
        self.max_unacked_messages_per_subscription = 100

    def create_session(self, name: str, external: bool = False, **given: Any) -> GuardedSession:
        """Return a new session."""
        return GuardedSession(self, name, external=external, **given)

    def decrypt_user_token(self, isession: Any, token: Any) -> tuple[str, str]:
        """Return name and password.

        Not by PKCS #1 v1.5: answering whether such a text is well padded gives away the key's
        secrets (Bleichenbacher).
        """
        if token.EncryptionAlgorithm == _RSA15:
            raise ServiceError(ua.StatusCodes.BadIdentityTokenRejected)
        return super().decrypt_user_token(isession, token)
