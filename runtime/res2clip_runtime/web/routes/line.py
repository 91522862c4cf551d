"""The line itself: how it is, its parts, triggers, the choice of product."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from res2clip_runtime.web.json_answer import JsonAnswer
from res2clip_runtime.web.request_body import (
    a_text,
    check_query,
    flag,
    number_in_query,
    read_object,
)
from res2clip_runtime.web.state import Call

__all__ = ["health", "parts", "product", "trigger"]


async def health(call: Call) -> ASGIApp:
    """Return how the line is doing: 200 if it is ready, else 503."""
    check_query(call.request)
    now = call.state.control.health()
    return JsonAnswer(call.state.health_values(now), 200 if now.ready else 503)


async def parts(call: Call) -> ASGIApp:
    """Return the last parts, oldest first."""
    check_query(call.request, "limit")
    most = call.state.config.keep_parts
    limit = number_in_query(call.request, "limit", default=most, most=100_000)
    return JsonAnswer(call.state.parts.newest(limit))


async def trigger(call: Call) -> ASGIApp:
    """Ask for an inspection; with ``?wait`` return its verdict."""
    check_query(call.request, "wait")
    state, waits = call.state, flag(call.request, "wait")
    wanted = a_text(await read_object(call.request, "id"), "id", required=False)
    if wanted is not None:
        if not wanted:
            raise HTTPException(400, "id is '', expected a text, or no id")
        state.answers.forget(wanted)
    trigger_id = state.control.trigger(wanted)
    if not waits:
        return JsonAnswer({"id": trigger_id}, 202)
    verdict = await state.answers.wait(trigger_id, state.config.wait_s)
    if verdict is None:
        return JsonAnswer({"id": trigger_id, "error": "no verdict yet"}, 504)
    return JsonAnswer(verdict.to_json())


async def product(call: Call) -> ASGIApp:
    """Inspect another product from the next picture on."""
    check_query(call.request)
    state = call.state
    given = await read_object(call.request, "product")
    wanted = a_text(given, "product") or ""
    before = state.control.health().product
    state.control.choose_recipe(wanted)
    state.notice_product()
    await state.run(lambda: call.try_audit("product", old=before, new=wanted))
    return JsonAnswer({"product": wanted})
