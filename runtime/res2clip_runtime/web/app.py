"""The routes as one ASGI application."""

from __future__ import annotations

from collections.abc import Iterable

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from res2clip_runtime.web.endpoints import ENDPOINTS, Endpoint
from res2clip_runtime.web.gate import Gate
from res2clip_runtime.web.same_site import own_names
from res2clip_runtime.web.state import Call, State

__all__ = ["build_app"]


def build_app(state: State) -> ASGIApp:
    """Return the application that answers every request."""
    paths = dict.fromkeys(endpoint.path for endpoint in ENDPOINTS)
    routes = [
        Route(path, _Place([e for e in ENDPOINTS if e.path == path], state)) for path in paths
    ]
    router = Router(routes, redirect_slashes=False, default=_nowhere)
    config = state.config
    return Gate(router, names=own_names((config.host, *config.names)))


class _Place:
    """All methods of one path; others are refused, HEAD among them: streams have no end."""

    def __init__(self, endpoints: Iterable[Endpoint], state: State) -> None:
        self._by_method = {endpoint.method: endpoint for endpoint in endpoints}
        self._state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = self._by_method.get(scope["method"])
        if endpoint is None:
            allowed = ", ".join(self._by_method)
            raise HTTPException(405, f"there is only: {allowed}", {"Allow": allowed})
        request = Request(scope, receive)
        visitor, changes = None, endpoint.method != "GET"
        if endpoint.role is not None:
            visitor = self._state.access.admit(request, endpoint.role, changes=changes)
        elif changes:
            self._state.access.check_site(request, changes=True)
        answer = await endpoint.handler(Call(request, self._state, visitor))
        await answer(scope, receive, send)


async def _nowhere(scope: Scope, receive: Receive, send: Send) -> None:
    raise HTTPException(404, "there is nothing here; see /api/openapi.json")
