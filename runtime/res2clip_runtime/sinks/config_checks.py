"""Checks of the sinks' settings; every message names the field, the value and what is expected."""

from __future__ import annotations

import math
from collections.abc import Collection

from res2clip_runtime.errors import InputError

__all__ = ["check_choice", "check_number", "check_port", "check_text", "check_whole"]


def check_number(
    field: str,
    value: float,
    *,
    least: float = -math.inf,
    most: float = math.inf,
    above: float | None = None,
) -> None:
    """Refuse a value that is no finite number from ``least`` to ``most``, or not ``above``.

    Raises:
        InputError: it is not.
    """
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    inside = number and math.isfinite(value) and least <= value <= most
    if inside and (above is None or value > above):
        return
    low = f"above {above:g}" if above is not None else f"at least {least:g}"
    high = "" if most == math.inf else f", at most {most:g}"
    raise InputError(f"{field} is {value!r}, expected a number {low}{high}")


def check_whole(field: str, value: int, *, least: int, most: int | None = None) -> None:
    """Refuse a value that is no whole number from ``least`` to ``most``.

    Raises:
        InputError: it is not.
    """
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not whole or value < least or (most is not None and value > most):
        high = f" to {most}" if most is not None else " or more"
        raise InputError(f"{field} is {value!r}, expected a whole number {least}{high}")


def check_port(field: str, value: int) -> None:
    """Refuse what is no TCP port; 0 lets the system choose one, which only tests want.

    Raises:
        InputError: it is none.
    """
    check_whole(field, value, least=0, most=65535)


def check_text(field: str, value: str, *, forbidden: str = "") -> None:
    """Refuse an empty text and one with control characters or any of ``forbidden``.

    Raises:
        InputError: it is such a text.
    """
    if not isinstance(value, str) or not value.strip():
        raise InputError(f"{field} is {value!r}, expected a text that is not empty")
    bad = sorted({char for char in value if char in forbidden or not char.isprintable()})
    if bad:
        raise InputError(f"{field} is {value!r}, which may not hold {' '.join(map(repr, bad))}")


def check_choice(field: str, value: str, choices: Collection[str]) -> None:
    """Refuse a value that is none of ``choices``.

    Raises:
        InputError: it is none.
    """
    if value not in choices:
        raise InputError(f"{field} is {value!r}, expected one of: {', '.join(choices)}")
