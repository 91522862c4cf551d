"""Who may open a session, and as whom."""

from __future__ import annotations

import asyncio
import logging
import time

from asyncua import ua
from asyncua.common.utils import ServiceError

from res2clip_runtime.opcua.login_limit import LoginLimit
from res2clip_runtime.opcua.trust_list import TrustList
from res2clip_runtime.service.users import User, UserBook

__all__ = ["Gate"]

logger = logging.getLogger(__name__)


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
