"""What an inspection says about a picture: OK, NG, or ERROR, and why.

Fail-safe: whatever cannot be decided is ERROR, never OK.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import numpy as np
import numpy.typing as npt

from res2clip_runtime.regions import Region

__all__ = ["Decision", "Verdict", "View", "decide"]


class Decision(str, Enum):
    """The three answers."""

    OK = "OK"
    NG = "NG"
    ERROR = "ERROR"


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One of several pictures of a part."""

    frame_id: str
    """The picture."""
    camera: str
    """Camera it came from."""
    decision: Decision
    """Its own decision; the part's is the worst."""
    score: float
    """Its own score; NaN where none could be computed."""
    reason: str = ""
    """Why the decision is ERROR; empty otherwise."""

    def to_json(self) -> dict[str, Any]:
        """Return JSON values (a NaN score becomes null)."""
        return {
            "frame_id": self.frame_id,
            "camera": self.camera,
            "decision": self.decision.value,
            "score": self.score if math.isfinite(self.score) else None,
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The answer for one picture, or for one part of which several pictures were taken."""

    frame_id: str
    """File name, frame number or trigger id of the picture."""
    product: str
    """Product of the recipe it was inspected with."""
    decision: Decision
    """OK, NG or ERROR."""
    score: float
    """Image score; NaN where none could be computed."""
    threshold: float | None
    """Highest score that is OK; None when the recipe holds none for this model."""
    pixel_threshold: float | None = None
    """Highest value of the anomaly map that counts as normal."""
    calibrated: bool = False
    """Whether the threshold carries a stated false-alarm bound."""
    anomaly_map: npt.NDArray[np.float32] | None = field(default=None, repr=False)
    """(S, S) float32 over the whole picture; None with ERROR."""
    regions: tuple[Region, ...] = ()
    """Where the map exceeds ``pixel_threshold``, largest peak first, in source pixels."""
    source_size_px: tuple[int, int] = (0, 0)
    """Width and height of the picture as it came."""
    captured_at: str = ""
    """ISO 8601 time (UTC) at which the picture was taken or read."""
    decided_at: str = ""
    """ISO 8601 time (UTC) of the decision."""
    latency_ms: Mapping[str, float] = field(default_factory=dict)
    """Milliseconds spent in each stage."""
    reason: str = ""
    """Why the decision is ERROR; empty otherwise."""
    camera: str = ""
    """Name of the camera in the line's configuration; empty outside a line."""
    trigger_id: str | None = None
    """The trigger that this answers; None in free run."""
    part_id: str | None = None
    """The part of which several pictures were taken; None where a part is one picture."""
    views: tuple[View, ...] = ()
    """Every picture of the part; the rest of the verdict is that of the worst one."""

    def without_map(self) -> Verdict:
        """Return the same without its map, to be kept: maps are most of what a verdict takes."""
        return dataclasses.replace(self, anomaly_map=None)

    def to_json(self) -> dict[str, Any]:
        """Return everything but the map as JSON values (a NaN score becomes null)."""
        return {
            "frame_id": self.frame_id,
            "product": self.product,
            "decision": self.decision.value,
            "score": self.score if math.isfinite(self.score) else None,
            "threshold": self.threshold,
            "pixel_threshold": self.pixel_threshold,
            "calibrated": self.calibrated,
            "regions": [region.to_json() for region in self.regions],
            "source_size_px": list(self.source_size_px),
            "captured_at": self.captured_at,
            "decided_at": self.decided_at,
            "latency_ms": {name: round(ms, 3) for name, ms in self.latency_ms.items()},
            "reason": self.reason,
            "camera": self.camera,
            "trigger_id": self.trigger_id,
            "part_id": self.part_id,
            "views": [view.to_json() for view in self.views],
        }


def decide(score: float, threshold: float | None) -> tuple[Decision, str]:
    """Return the decision and, for ERROR, the reason."""
    if not math.isfinite(score):
        return Decision.ERROR, "the score is not finite; the picture or the model is damaged"
    if threshold is None:
        return Decision.ERROR, (
            "the recipe holds no threshold for this model; "
            "teach two or more good parts, or give one with --threshold"
        )
    if not math.isfinite(threshold):
        return Decision.ERROR, "the threshold is not finite; set it again"
    return (Decision.NG if score > threshold else Decision.OK), ""
