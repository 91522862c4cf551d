"""Logging in and out."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp

from res2clip_runtime.web.access import Visitor, address_of
from res2clip_runtime.web.json_answer import JsonAnswer
from res2clip_runtime.web.request_body import a_text, check_query, read_object
from res2clip_runtime.web.state import Call

__all__ = ["log_in", "log_out", "me"]


async def log_in(call: Call) -> ASGIApp:
    """Begin a session."""
    check_query(call.request)
    access, address = call.state.access, address_of(call.request)
    given = await read_object(call.request, "name", "password")
    name = a_text(given, "name", longest=64) or ""
    password = a_text(given, "password", longest=1024) or ""
    if access.book is None:
        raise HTTPException(409, "no users are configured: everybody here is an engineer")
    access.check_attempts(name, address)
    access.note_attempt(name, address)
    users = access.book.users
    async with call.state.logging_in:  # each check takes a core for a fifth of a second
        user = await call.state.run(users.check_password, name, password)
    visitor = Visitor(user, "session", address) if user else None
    known = Call(call.request, call.state, visitor)
    await call.state.run(known.audit_login, name, user is not None)
    if user is None:
        raise HTTPException(401, "name or password is wrong")
    access.forget_attempt(name, address)
    answer = JsonAnswer(_values(visitor, login_needed=True))
    access.set_cookie(answer, access.sessions.begin(user.name, users.stamp(user.name)))
    return answer


async def log_out(call: Call) -> ASGIApp:
    """End the session."""
    check_query(call.request)
    answer = Response(status_code=204)
    call.state.access.end_session(call.request, answer)
    return answer


async def me(call: Call) -> ASGIApp:
    """Return who is asking."""
    check_query(call.request)
    access = call.state.access
    return JsonAnswer(_values(access.visitor(call.request), login_needed=access.login_needed))


def _values(visitor: Visitor | None, *, login_needed: bool) -> dict[str, object]:
    return {
        "name": visitor.user.name if visitor else None,
        "role": visitor.user.role if visitor else None,
        "login_needed": login_needed,
    }
