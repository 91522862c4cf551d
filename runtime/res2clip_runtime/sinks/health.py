"""How a sink is doing, for whoever watches the line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["SinkHealth", "SinkState"]

SinkState = Literal["ok", "failing", "closed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkHealth:
    """One sink at one moment."""

    name: str
    """As in the configuration."""
    state: SinkState
    """``ok``; ``failing``: the last attempt to write failed; ``closed``: takes nothing any more."""
    written: int = 0
    """Verdicts that the sink has taken."""
    dropped: int = 0
    """Verdicts that were given up: the queue was full, attempts used up, or time at the end."""
    queued: int = 0
    """Verdicts that wait, the one in hand included."""
    reason: str = ""
    """Why it is failing, or what went wrong when it was closed; empty otherwise."""
