"""Figures for Prometheus."""

from __future__ import annotations

from starlette.responses import Response
from starlette.types import ASGIApp

from res2clip_runtime.web.request_body import check_query
from res2clip_runtime.web.state import Call

__all__ = ["metrics"]


async def metrics(call: Call) -> ASGIApp:
    """Return the figures as text."""
    check_query(call.request)
    figures = call.state.figures
    text = await call.state.run(figures.text)
    return Response(text, headers={"Content-Type": figures.media_type})
