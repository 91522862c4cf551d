"""Every route: its method, its place, who may use it, and what answers it.

The table is the one place that decides who may do what; a test holds it and the OpenAPI document
together.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from starlette.types import ASGIApp

from res2clip_runtime.service.users import Role
from res2clip_runtime.web.routes import documents, line, live
from res2clip_runtime.web.state import Call

__all__ = ["ENDPOINTS", "Endpoint"]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One method of one place."""

    method: Literal["GET", "POST", "PUT", "DELETE"]
    """Anything but GET changes something."""
    path: str
    """With ``{names}`` for what varies."""
    role: Role | None
    """The least role that may use it; None: nobody need be known."""
    handler: Callable[[Call], Awaitable[ASGIApp]]
    """Answers it."""


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint("GET", "/", None, documents.page),
    Endpoint("GET", "/static/{name:path}", None, documents.static),
    Endpoint("GET", "/api/health", "viewer", line.health),
    Endpoint("GET", "/api/events", "viewer", live.events),
    Endpoint("GET", "/api/live.mjpg", "viewer", live.stream),
    Endpoint("GET", "/api/live.jpg", "viewer", live.picture),
    Endpoint("GET", "/api/parts", "viewer", line.parts),
    Endpoint("POST", "/api/trigger", "operator", line.trigger),
    Endpoint("POST", "/api/product", "operator", line.product),
)
