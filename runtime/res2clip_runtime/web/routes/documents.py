"""The page's own files, and the API's description."""

from __future__ import annotations

from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp

from res2clip_runtime.web.request_body import check_query
from res2clip_runtime.web.state import Call

__all__ = ["OPENAPI", "openapi", "page", "static"]

OPENAPI = Path(__file__).parents[1] / "openapi.json"
"""The description of the API, OpenAPI 3.1."""


async def page(call: Call) -> ASGIApp:
    """Return the page itself."""
    return _file(call, "index.html")


async def static(call: Call) -> ASGIApp:
    """Return one of the page's files."""
    return _file(call, call.request.path_params["name"])


async def openapi(call: Call) -> ASGIApp:
    """Return the description of the API."""
    check_query(call.request)
    data = await call.state.run(OPENAPI.read_bytes)
    return Response(data, media_type="application/json")


def _file(call: Call, name: str) -> Response:
    found = call.state.static.get(name)
    if found is None:
        raise HTTPException(404, "there is no such file")
    headers = {"ETag": found.tag, "Cache-Control": "no-cache"}
    if call.request.headers.get("if-none-match") == found.tag:
        return Response(status_code=304, headers=headers)
    return Response(found.data, media_type=found.media_type, headers=headers)
