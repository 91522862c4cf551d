"""The page and the HTTP API of a line."""

from __future__ import annotations

from res2clip_runtime.web.config import WebConfig
from res2clip_runtime.web.server import WebServer

__all__ = ["WebConfig", "WebServer"]
