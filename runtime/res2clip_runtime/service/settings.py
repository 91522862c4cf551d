"""How a line works, beside its cameras, recipes and outputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from res2clip_runtime.errors import InputError

__all__ = ["LineSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LineSettings:
    """What is inspected when, and how long things may take."""

    mode: Literal["free", "trigger"] = "free"
    """``free``: whatever the cameras give; ``trigger``: one part for every trigger."""
    part: Literal["picture", "cameras"] = "picture"
    """``picture``: every camera looks at parts of its own; ``cameras``: all look at the same."""
    pictures_per_part: int = 1
    """Pictures that each camera takes of a part; the worst decides."""
    deadline_ms: float = 1000.0
    """A trigger is answered so soon, with ERROR if there is no result by then."""
    trigger_queue: int = 8
    """Triggers that may wait while a part is inspected; one more is answered with ERROR."""
    views_skew_ms: float = 100.0
    """Pictures of several cameras triggered by their inputs are of one part if so close."""
    picture_gap_ms: float = 500.0
    """Longest time between two pictures of one part where its camera's input triggers them."""
    limit: int | None = None
    """End after so many verdicts."""
    drain_s: float = 5.0
    """Longest time to finish the part in hand, and again to write what is queued, at the end."""
    stall_s: float = 10.0
    """An inspection that does not move for so long counts as hanging: not ready."""

    def __post_init__(self) -> None:
        above_0 = ("pictures_per_part", "deadline_ms", "trigger_queue", "picture_gap_ms")
        for name in (*above_0, "drain_s", "stall_s"):
            if not 0 < getattr(self, name) < 1e9:
                raise InputError(f"{name} must be above 0, got {getattr(self, name)}")
        if not 0 <= self.views_skew_ms < 1e9:
            raise InputError(f"views_skew_ms must be 0 or more, got {self.views_skew_ms}")
        if self.limit is not None and self.limit < 1:
            raise InputError(f"limit must be 1 or more, got {self.limit}")
