"""The line's health as values of nodes."""

from __future__ import annotations

import math
from typing import Any

from res2clip_runtime.service.health import CameraHealth, LineHealth
from res2clip_runtime.sinks.health import SinkHealth
from res2clip_runtime.verdict import Decision

__all__ = ["camera_values", "health_values", "sink_values"]


def health_values(health: LineHealth) -> dict[str, Any]:
    """Return what is said of the line, by path."""
    decisions = health.decisions
    return {
        "RecipeManagement.PreparedRecipe": health.product,
        "RecipeManagement.PreparedRecipeId": health.recipe_id,
        "Health.Ready": health.ready,
        "Health.Reason": health.reason,
        "Health.Ok": decisions.get(Decision.OK.value, 0),
        "Health.Ng": decisions.get(Decision.NG.value, 0),
        "Health.Error": decisions.get(Decision.ERROR.value, 0),
        "Health.Inspected": health.inspected,
        "Health.Triggers": health.triggers,
        "Health.Late": health.late,
        "Health.Waiting": health.waiting,
        "Health.LatencyMs": float(health.latency_ms.get("total", math.nan)),
        "Health.UptimeS": float(round(health.uptime_s)),
    }


def camera_values(camera: CameraHealth) -> dict[str, Any]:
    """Return what is said of a camera, by path below it."""
    age_s = camera.frame_age_s
    return {
        "State": camera.state,
        "Reason": camera.reason,
        "Frames": camera.frames,
        "Dropped": camera.dropped,
        "Damaged": camera.damaged,
        "Reconnects": camera.reconnects,
        "FrameAgeS": math.nan if age_s is None else round(age_s, 1),
    }


def sink_values(sink: SinkHealth) -> dict[str, Any]:
    """Return what is said of an output, by path below it."""
    return {
        "State": sink.state,
        "Reason": sink.reason,
        "Written": sink.written,
        "Dropped": sink.dropped,
        "Queued": sink.queued,
    }
