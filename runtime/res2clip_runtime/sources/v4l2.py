"""The cameras Linux knows (Video4Linux 2)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

__all__ = ["VideoDevice", "describe_devices", "list_devices"]

_SYSFS = Path("/sys/class/video4linux")
_DEV = Path("/dev")


@dataclass(frozen=True, slots=True)
class VideoDevice:
    """One ``/dev/videoN``; a camera may have several, of which the first gives pictures."""

    index: int
    """N, the number to give with ``--camera``."""
    name: str
    """What the driver calls it."""
    readable: bool
    """Whether this user may open it."""


def list_devices(*, sysfs: Path = _SYSFS, dev: Path = _DEV) -> tuple[VideoDevice, ...]:
    """Return the video devices, by number; empty when there is none or no V4L2 at all."""
    devices = []
    for node in sysfs.glob("video*"):
        number = node.name.removeprefix("video")
        if number.isdigit():
            readable = os.access(dev / node.name, os.R_OK | os.W_OK)
            devices.append(VideoDevice(int(number), _name_of(node), readable))
    return tuple(sorted(devices, key=lambda device: device.index))


def describe_devices(devices: tuple[VideoDevice, ...]) -> str:
    """Return the devices as part of a sentence."""
    if not devices:
        return "no camera is connected (/dev/video* is empty)"
    listed = ", ".join(
        f"{d.index} ({d.name}{'' if d.readable else ', no permission'})" for d in devices
    )
    return f"cameras that exist: {listed}"


def _name_of(node: Path) -> str:
    try:
        return (node / "name").read_text(encoding="utf-8", errors="replace").strip() or "unnamed"
    except OSError:
        return "unnamed"
