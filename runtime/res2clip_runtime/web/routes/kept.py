"""What is kept: NG parts with their pictures, and what operators say of parts."""

from __future__ import annotations

import functools
from typing import Any, cast

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp

from res2clip_runtime.preprocess import PictureU8
from res2clip_runtime.web.feedback_store import Label
from res2clip_runtime.web.json_answer import JsonAnswer
from res2clip_runtime.web.request_body import (
    a_text,
    a_whole,
    check_query,
    flag,
    number_in_query,
    read_object,
)
from res2clip_runtime.web.state import Call, State

__all__ = ["feedback", "ng_parts", "ng_picture"]

_MOST_ID = 999_999_999_999


async def ng_parts(call: Call) -> ASGIApp:
    """Return the newest NG parts."""
    check_query(call.request, "limit", "before")
    limit = number_in_query(call.request, "limit", default=50, most=500)
    before = number_in_query(call.request, "before", default=0, most=_MOST_ID) or None
    return JsonAnswer(
        await call.state.run(functools.partial(call.state.ng.newest, limit, before=before))
    )


async def ng_picture(call: Call) -> ASGIApp:
    """Return the picture of an NG part, plain or with the heat map."""
    check_query(call.request, "heat")
    text = call.request.path_params["id"]
    if not (text.isascii() and text.isdigit()) or len(text) > 12:
        raise HTTPException(404, "there is no such part")
    heat = flag(call.request, "heat")
    jpeg = await call.state.run(functools.partial(call.state.ng.jpeg, int(text), heat=heat))
    if jpeg is None:
        raise HTTPException(404, "there is no such part, or no longer")
    headers = {"Cache-Control": "private, max-age=3600"}  # a part's picture never changes
    return Response(jpeg, media_type="image/jpeg", headers=headers)


async def feedback(call: Call) -> ASGIApp:
    """Keep what somebody says of a part."""
    check_query(call.request)
    given = await read_object(call.request, "number", "id", "label", "comment")
    label = given.get("label")
    if label not in ("good", "missed"):
        raise HTTPException(400, 'label must be "good" or "missed"')
    comment = a_text(given, "comment", longest=1000, required=False) or ""
    if ("number" in given) == ("id" in given):
        raise HTTPException(400, "give either the number of a part or the id of an NG part")
    key = "number" if "number" in given else "id"
    wanted = a_whole(given, key, most=2**53)
    values = await call.state.run(_keep, call, key, wanted, cast("Label", label), comment)
    call.state.changed("feedback", **values)
    return JsonAnswer(values, 201)


def _keep(call: Call, key: str, wanted: int, label: Label, comment: str) -> dict[str, Any]:
    state = call.state
    number, ng_id, verdict, picture = _part(state, key, wanted)
    call.audit("feedback", number=number, id=ng_id, label=label, comment=comment)
    name = state.feedback.keep(
        picture=picture, verdict=verdict, label=label, comment=comment, who=call.who.user.name
    )
    if ng_id is not None:
        state.ng.label(ng_id, label)
    state.parts.label(number, label)
    return {"number": number, "id": ng_id, "label": label, "kept": name}


def _part(
    state: State, key: str, wanted: int
) -> tuple[int, int | None, dict[str, Any], PictureU8 | bytes]:
    """Return number, NG id, verdict and picture of a part.

    Raises:
        HTTPException: its picture is no longer there.
    """
    if key == "id":
        kept = state.ng.find(wanted)
        number = int(kept["number"]) if kept else -1
        ng_id: int | None = wanted
    else:
        number, ng_id = wanted, state.ng.id_of(wanted)
        kept = state.ng.find(ng_id) if ng_id is not None else None
    shot = state.recent.find(number)
    if shot is not None and shot.verdict.product:
        values = shot.verdict.to_json()
        return number, ng_id, {**values, "number": number}, shot.picture
    jpeg = state.ng.jpeg(ng_id, heat=False) if kept and ng_id is not None else None
    if kept is None or jpeg is None:
        raise HTTPException(409, "the picture of this part is no longer there")
    verdict = {k: v for k, v in kept.items() if k not in ("id", "label")}
    return number, ng_id, verdict, jpeg
