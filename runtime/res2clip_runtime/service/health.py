"""How the line and its cameras are doing, for whoever watches: PLC, metrics, page, systemd."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from res2clip_runtime.sinks.health import SinkHealth

__all__ = ["CameraHealth", "CameraState", "ControlHealth", "LineHealth"]

CameraState = Literal["opening", "ready", "lost", "ended"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraHealth:
    """One camera at one moment."""

    name: str
    """As in the configuration; also ``Verdict.camera``."""
    state: CameraState
    """``opening``: at the start; ``ready``; ``lost``: it broke off or gives nothing any more, and
    is opened anew; ``ended``: it has rightly given all its pictures (files)."""
    frames: int = 0
    """Pictures it has given."""
    dropped: int = 0
    """Pictures that a newer one replaced before they could be inspected (free run)."""
    damaged: int = 0
    """Pictures that came incomplete or undecodable."""
    frame_age_s: float | None = None
    """Seconds since its last picture came; None before the first."""
    reconnects: int = 0
    """How often it was opened anew with success."""
    reason: str = ""
    """Why it is lost; empty otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlHealth:
    """Who commands the line in one way (Modbus, OPC UA) at one moment."""

    name: str
    """Which way."""
    state: Literal["ok", "silent"]
    """``silent``: nobody is there, or its heartbeat stands still."""
    clients: int = 0
    """Connections that are open."""
    reason: str = ""
    """Why it is silent; empty otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LineHealth:
    """The line at one moment; a result may be trusted by a PLC only while ``ready``."""

    product: str
    """What is inspected now; empty while no product is chosen."""
    recipe_id: str
    """First 16 digits of the recipe's sha256; empty while no product is chosen."""
    ready: bool
    """Every camera gives pictures, the model answers, a product is chosen, nobody has asked to
    stop."""
    reason: str = ""
    """Why it is not ready; empty otherwise."""
    decisions: Mapping[str, int] = field(default_factory=dict)
    """Verdicts so far by decision: ``OK``, ``NG``, ``ERROR``."""
    inspected: int = 0
    """Pictures that went through the model, whatever came of it."""
    triggers: int = 0
    """Triggers so far; each is answered by one verdict."""
    late: int = 0
    """Triggers answered with ERROR because their result was not there in time."""
    waiting: int = 0
    """Triggers that wait for their answer now."""
    cameras: tuple[CameraHealth, ...] = ()
    """In the order of the configuration."""
    sinks: tuple[SinkHealth, ...] = ()
    """In the order of the configuration."""
    controls: tuple[ControlHealth, ...] = ()
    """PLCs and host programs; inspection goes on without them."""
    latency_ms: Mapping[str, float] = field(default_factory=dict)
    """Median of the last 100 pictures by stage; ``total`` is the sum of the stages, ``service``
    what a part took besides."""
    uptime_s: float = 0.0
    """Seconds since the line began."""
