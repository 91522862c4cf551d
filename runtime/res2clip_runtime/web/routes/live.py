"""Live pictures and events."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp

from res2clip_runtime.web.live_pictures import Drawn, LivePictures
from res2clip_runtime.web.request_body import check_query, flag, text_in_query
from res2clip_runtime.web.state import Call

__all__ = ["events", "picture", "stream"]

_BOUNDARY = "picture"


async def events(call: Call) -> ASGIApp:
    """Stream what happens, as Server-Sent Events."""
    check_query(call.request)
    state = call.state
    return state.streams.open(
        state.events.listen(state.health_values),
        media_type="text/event-stream; charset=utf-8",
        allowed=_still(call),
    )


async def stream(call: Call) -> ASGIApp:
    """Stream the newest picture, again and again."""
    camera, heat = _view(call)
    return call.state.streams.open(
        _parts(call.state.live, camera, heat),
        media_type=f"multipart/x-mixed-replace; boundary={_BOUNDARY}",
        allowed=_still(call),
    )


async def picture(call: Call) -> ASGIApp:
    """Return the newest picture once; nothing (204) while there is none."""
    camera, heat = _view(call)
    drawn = await call.state.live.once(camera, heat=heat)
    if drawn is None:
        return Response(status_code=204)
    headers = {"X-Part-Number": str(drawn.number)}
    return Response(drawn.jpeg, media_type="image/jpeg", headers=headers)


def _view(call: Call) -> tuple[str | None, bool]:
    check_query(call.request, "camera", "heat")
    camera = text_in_query(call.request, "camera")
    known = [camera.name for camera in call.state.control.health().cameras]
    if camera is not None and camera not in known:
        raise HTTPException(404, f"there is no such camera; there are: {', '.join(known)}")
    return camera, flag(call.request, "heat")


def _still(call: Call) -> Callable[[], bool]:
    """Return a question whether the viewer may still look: logged out, removed, role changed."""

    def allowed() -> bool:
        try:
            visitor = call.state.access.visitor(call.request)
        except HTTPException:
            return False
        return visitor is not None and visitor.user == call.who.user

    return allowed


async def _parts(live: LivePictures, camera: str | None, heat: bool) -> AsyncGenerator[bytes, None]:
    yield f"--{_BOUNDARY}\r\n".encode()
    async for drawn in live.watch(camera, heat=heat):
        yield _part(drawn)


def _part(drawn: Drawn) -> bytes:
    # The boundary that ends the picture is sent with it: browsers show a picture when they see it.
    head = (
        f"Content-Type: image/jpeg\r\nContent-Length: {len(drawn.jpeg)}\r\n"
        f"X-Part-Number: {drawn.number}\r\n\r\n"
    )
    return head.encode() + drawn.jpeg + f"\r\n--{_BOUNDARY}\r\n".encode()
