"""JSON out of files and requests that others wrote."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

__all__ = ["parse_json"]

DEEPEST = 32
"""Lists and objects within each other; ours have six."""


def parse_json(text: str | bytes, *, most_bytes: int) -> Any:
    """Return what ``text`` holds, if every reader would read the same in it.

    A key that appears twice, NaN, infinity and deep nesting are refused: they are read differently
    elsewhere, or break what is done with the values later.

    Args:
        text: UTF-8.
        most_bytes: a longer text is not even looked at.

    Raises:
        ValueError: it is no such JSON, and why.
    """
    if len(text) > most_bytes:
        raise ValueError(f"{len(text)} bytes of JSON, expected at most {most_bytes}")
    try:
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except RecursionError as err:
        raise ValueError("lists or objects are nested too deeply") from err
    _check(value)
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {twice[:80]!r} appears twice")
    return values


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


def _check(value: Any) -> None:
    """Refuse numbers that overflow and nesting beyond ``DEEPEST``, without recursion."""
    level, depth = [value], 0
    while level:
        if depth > DEEPEST:
            raise ValueError(f"lists or objects are nested more than {DEEPEST} deep")
        below: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                below += item.values()
            elif isinstance(item, list):
                below += item
            elif isinstance(item, float) and not math.isfinite(item):
                raise ValueError("a number is too large")
        level, depth = below, depth + 1
