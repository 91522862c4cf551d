"""The page's own files."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp

from res2clip_runtime.web.state import Call

__all__ = ["page", "static"]


async def page(call: Call) -> ASGIApp:
    """Return the page itself."""
    return _file(call, "index.html")


async def static(call: Call) -> ASGIApp:
    """Return one of the page's files."""
    return _file(call, call.request.path_params["name"])


def _file(call: Call, name: str) -> Response:
    found = call.state.static.get(name)
    if found is None:
        raise HTTPException(404, "there is no such file")
    headers = {"ETag": found.tag, "Cache-Control": "no-cache"}
    if call.request.headers.get("if-none-match") == found.tag:
        return Response(status_code=304, headers=headers)
    return Response(found.data, media_type=found.media_type, headers=headers)
