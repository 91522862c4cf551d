"""What the line's health means for jobs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from res2clip_runtime.service.health import LineHealth

__all__ = ["SILENT", "Standing", "standing_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Whether jobs can run, and why not."""

    kind: Literal["starting", "no_product", "fault", "ready"]
    """``starting``: a camera is opened for the first time; ``no_product``: none is chosen."""
    reason: str = ""
    """Why it is not ready; empty otherwise."""
    product: str = ""
    """What is chosen."""
    recipe_id: str = ""
    """First 16 digits of its recipe's sha256."""
    cameras_ready: bool = False
    """Whether every camera gives pictures: then a fault may end with the next inspection."""


SILENT = Standing(kind="fault", reason="the line does not say how it is")


def standing_of(health: LineHealth) -> Standing:
    """Return what ``health`` means for jobs."""
    kind: Literal["starting", "no_product", "fault", "ready"] = "fault"
    if health.ready:
        kind = "ready"
    elif any(camera.state == "opening" for camera in health.cameras):
        kind = "starting"
    elif not health.product:
        kind = "no_product"
    return Standing(
        kind=kind,
        reason=health.reason,
        product=health.product,
        recipe_id=health.recipe_id,
        cameras_ready=all(camera.state == "ready" for camera in health.cameras),
    )
