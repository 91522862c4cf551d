"""What a camera's thread needs to know of its camera."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from res2clip_runtime.sinks.backoff import Backoff
from res2clip_runtime.sources import Source

__all__ = ["CameraPlan"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraPlan:
    """One camera (or folder, or stream) of the line and what to do when it fails."""

    name: str
    """Unique in the line; ``Verdict.camera``."""
    open: Callable[[], Source] = field(repr=False)
    """Opens a fresh handle; called again after every loss."""
    trigger: str = "off"
    """``off``, ``software``, or the camera's input that triggers it (``line0``)."""
    stale_s: float = 2.0
    """A camera that runs freely and gives nothing for so long is lost."""
    picture_timeout_s: float = 2.0
    """Longest wait for the picture after a trigger."""
    trigger_delay_s: float = 0.2
    """A software trigger that would be given later than this shows another moment: ERROR."""
    size_px: tuple[int, int] | None = None
    """Width and height that its pictures must have; None: those of its first picture."""
    backoff: Backoff = field(default_factory=lambda: Backoff(first_s=0.2, most_s=5.0))
    """Waits between attempts to open it anew."""
