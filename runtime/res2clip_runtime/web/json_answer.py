"""JSON as every reader takes it: numbers that JSON does not have become null."""

from __future__ import annotations

import json
import math
from typing import Any

from starlette.responses import JSONResponse

__all__ = ["JsonAnswer", "json_bytes"]


def json_bytes(values: Any) -> bytes:
    """Return ``values`` as JSON in UTF-8; NaN and infinities (a damaged map's) as null."""
    try:
        text = _text(values)
    except ValueError:
        text = _text(_finite(values))
    return text.encode("utf-8", "backslashreplace")


class JsonAnswer(JSONResponse):
    """An answer in JSON."""

    def render(self, content: Any) -> bytes:
        """Return the body."""
        return json_bytes(content)


def _text(values: Any) -> str:
    return json.dumps(values, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _finite(values: Any) -> Any:
    if isinstance(values, float):
        return values if math.isfinite(values) else None
    if isinstance(values, dict):
        return {key: _finite(value) for key, value in values.items()}
    if isinstance(values, (list, tuple)):
        return [_finite(value) for value in values]
    return values
