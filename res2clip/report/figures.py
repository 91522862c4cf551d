"""Numbers as a reader wants them."""

from __future__ import annotations

import math

__all__ = ["UNDEFINED", "count_of", "milliseconds", "percent", "share"]

UNDEFINED = "\N{EN DASH}"
"""In place of a figure that has no value."""


def percent(value: float) -> str:
    """Return 0..1 as percent with one decimal; a dash where it is undefined."""
    return f"{100 * value:.1f}" if math.isfinite(value) else UNDEFINED


def share(count: int, whole: int) -> str:
    """Return ``3 of 40 (8 %)``."""
    return f"{count} of {whole} ({count / whole:.0%})".replace("%", " %") if whole else UNDEFINED


def milliseconds(value: float) -> str:
    """Return milliseconds with as many digits as mean something."""
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 1 else f"{value:.2f}"


def count_of(count: int, noun: str) -> str:
    """Return ``1 picture`` or ``3 pictures``."""
    return f"{count} {noun}{'' if count == 1 else 's'}"
