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
from res2clip_runtime.web.routes import (
    documents,
    figures,
    inspection,
    kept,
    line,
    live,
    login,
    teaching,
)
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
    Endpoint("GET", "/api/openapi.json", "viewer", documents.openapi),
    Endpoint("POST", "/api/login", None, login.log_in),
    Endpoint("POST", "/api/logout", None, login.log_out),
    Endpoint("GET", "/api/me", None, login.me),
    Endpoint("GET", "/api/health", "viewer", line.health),
    Endpoint("GET", "/api/events", "viewer", live.events),
    Endpoint("GET", "/api/live.mjpg", "viewer", live.stream),
    Endpoint("GET", "/api/live.jpg", "viewer", live.picture),
    Endpoint("GET", "/api/parts", "viewer", line.parts),
    Endpoint("POST", "/api/trigger", "operator", line.trigger),
    Endpoint("POST", "/api/product", "operator", line.product),
    Endpoint("GET", "/api/ng", "viewer", kept.ng_parts),
    Endpoint("GET", "/api/ng/{id}.jpg", "viewer", kept.ng_picture),
    Endpoint("POST", "/api/feedback", "operator", kept.feedback),
    Endpoint("POST", "/api/tray", "operator", teaching.freeze),
    Endpoint("GET", "/api/tray/{id}.jpg", "viewer", teaching.frozen_picture),
    Endpoint("DELETE", "/api/tray/{id}", "operator", teaching.drop),
    Endpoint("POST", "/api/teach", "engineer", teaching.teach_product),
    Endpoint("GET", "/api/recipes", "viewer", teaching.recipes),
    Endpoint("GET", "/api/recipes/{product:path}/references/{n}.png", "viewer", teaching.reference),
    Endpoint("PUT", "/api/recipes/{product:path}/threshold", "engineer", teaching.set_threshold),
    Endpoint("POST", "/api/inspect", "operator", inspection.inspect_picture),
    Endpoint("GET", "/api/metrics", "viewer", figures.metrics),
)
