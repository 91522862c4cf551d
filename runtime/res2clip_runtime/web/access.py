"""Who a request comes from, and whether they may do what it asks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.responses import Response

from res2clip_runtime.service.users import Role, User, UserBook
from res2clip_runtime.web.config import WebConfig
from res2clip_runtime.web.rate_limit import RateLimit, client_key
from res2clip_runtime.web.same_site import check_reader, check_same_origin
from res2clip_runtime.web.sessions import Sessions

__all__ = ["Access", "Visitor", "address_of", "refuse_if_too_many"]

_LOCAL = User("local", "engineer")
"""Everybody on this machine, where no users are configured."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who a request comes from."""

    user: User
    """Name and role."""
    by: Literal["local", "session", "token"]
    """What proves it."""
    address: str
    """Where the request came from."""


class Access:
    """Users, sessions and failed attempts; used on the server's loop."""

    def __init__(self, config: WebConfig, *, port: int) -> None:
        """Read the users.

        Raises:
            ArtefactNotFoundError: there is no such file of users.
            InputError: it cannot be used.
        """
        self.book = UserBook(config.users_file) if config.users_file else None
        self.sessions = Sessions()
        self._tls = config.certificate is not None
        # Browsers share cookies between the ports of a machine: each line has a name of its own.
        self._cookie = f"__Host-res2clip-{port}" if self._tls else f"res2clip-{port}"
        self._failures_of_address = RateLimit(per_s=20 / 600, burst=20)
        self._failures_of_name = RateLimit(per_s=30 / 600, burst=30)
        self._failures_of_both = RateLimit(per_s=5 / 60, burst=5)

    @property
    def login_needed(self) -> bool:
        """Whether there are users at all."""
        return self.book is not None

    def visitor(self, request: HTTPConnection) -> Visitor | None:
        """Return who it is; None: nobody known.

        Raises:
            HTTPException: it carries a wrong token.
        """
        address = address_of(request)
        if self.book is None:
            return Visitor(_LOCAL, "local", address)
        token = _bearer(request.headers)
        if token is not None:
            return self._by_token(token, address)
        found = self.sessions.find(request.cookies.get(self._cookie, ""))
        if found is None:
            return None
        name, stamp = found
        users = self.book.users
        user = users.find(name)
        if user is None or users.stamp(name) != stamp:
            return None  # removed, or with another password or role since
        return Visitor(user, "session", address)

    def admit(self, request: HTTPConnection, role: Role, *, changes: bool) -> Visitor:
        """Return who it is, if they may do what ``role`` may.

        Args:
            request: as it came.
            role: the least that is needed.
            changes: whether it asks for more than looking.

        Raises:
            HTTPException: they may not (401: not known, 403: known), or the request came from
                another site's page.
        """
        visitor = self.visitor(request)
        if visitor is None or visitor.by != "token":  # no browser adds a token by itself
            self.check_site(request, changes=changes)
        if visitor is None:
            raise HTTPException(401, "log in first", {"WWW-Authenticate": "Bearer"})
        if not visitor.user.may(role):
            raise HTTPException(
                403, f"{visitor.user.name} is {visitor.user.role}; this needs the role {role}"
            )
        return visitor

    def check_site(self, request: HTTPConnection, *, changes: bool) -> None:
        """Refuse what another site's page asks for.

        Raises:
            HTTPException: it does.
        """
        if changes:
            check_same_origin(request.headers, tls=self._tls)
        else:
            check_reader(request.headers)

    def check_attempts(self, name: str, address: str) -> None:
        """Refuse an attempt to log in after too many that failed.

        Raises:
            HTTPException: too many with this name, from this address, or both.
        """
        waits_s = [limit.wait_s(key) for limit, key in self._limits(name, address)]
        refuse_if_too_many(max(waits_s), "failed attempts to log in")

    def note_attempt(self, name: str, address: str) -> None:
        """Count an attempt as failed, before it is checked: many at once must not slip through."""
        for limit, key in self._limits(name, address):
            limit.take(key)

    def forget_attempt(self, name: str, address: str) -> None:
        """Take back what was counted: the attempt succeeded."""
        for limit, key in self._limits(name, address):
            limit.give_back(key)

    def set_cookie(self, response: Response, cookie: str) -> None:
        """Let the browser keep a session's cookie, out of scripts' reach."""
        response.set_cookie(
            self._cookie, cookie, httponly=True, samesite="strict", secure=self._tls, path="/"
        )

    def end_session(self, request: HTTPConnection, response: Response) -> None:
        """Forget the session of a request, and let the browser forget it."""
        self.sessions.end(request.cookies.get(self._cookie, ""))
        response.delete_cookie(
            self._cookie, httponly=True, samesite="strict", secure=self._tls, path="/"
        )

    def _limits(self, name: str, address: str) -> tuple[tuple[RateLimit, str], ...]:
        key = client_key(address)
        return (
            (self._failures_of_both, f"{key} {name}"),
            (self._failures_of_address, key),
            (self._failures_of_name, name),
        )

    def _by_token(self, token: str, address: str) -> Visitor:
        assert self.book is not None
        user = self.book.users.check_token(token)
        if user is None:
            # A token of 256 bits is not guessed; whoever tries is slowed down all the same, and
            # a host program with the right one behind the same address is not.
            wait_s = self._failures_of_address.take(client_key(address))
            refuse_if_too_many(wait_s, "wrong tokens")
            raise HTTPException(401, "the token is wrong", {"WWW-Authenticate": "Bearer"})
        return Visitor(user, "token", address)


def refuse_if_too_many(wait_s: float, what: str) -> None:
    """Refuse a request if its sender must wait.

    Raises:
        HTTPException: 429, with the time in ``Retry-After``.
    """
    if wait_s > 0:
        seconds = math.ceil(wait_s)
        raise HTTPException(
            429, f"too many {what}; wait {seconds} s", {"Retry-After": str(seconds)}
        )


def address_of(request: HTTPConnection) -> str:
    """Return the address that a request came from; what a proxy claims is not believed."""
    return request.client.host if request.client else "unknown"


def _bearer(headers: Headers) -> str | None:
    kind, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else None
