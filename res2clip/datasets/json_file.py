"""JSON that others wrote."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from res2clip.datasets.index import read_text
from res2clip_runtime.errors import InputError

__all__ = ["read_json"]


def read_json(file: Path) -> Any:
    """Return the content of a JSON file; a key that appears twice is refused, not overwritten.

    Raises:
        ArtefactNotFoundError: there is no such file.
        InputError: it is no UTF-8 or no JSON, or a key appears twice.
    """
    text = read_text(file)
    try:
        return json.loads(text, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as err:
        raise InputError(
            f"{file} is no JSON that can be used: {err}; check that it is the file you meant"
        ) from err


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key '{twice}' appears twice")
    return content
