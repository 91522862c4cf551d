"""The cameras of this machine."""

from __future__ import annotations

from res2clip_runtime.doctor.check import Check, Status
from res2clip_runtime.sources.v4l2 import list_devices

__all__ = ["check_cameras"]


def check_cameras() -> list[Check]:
    """Return every local camera and whether this user may open it."""
    devices = list_devices()
    if not devices:
        return [
            Check(
                name="cameras",
                status=Status.WARN,
                detail="none connected (no /dev/video*)",
                remedy="plug one in to use --camera; pictures and videos need none",
            )
        ]
    return [
        Check(
            name=f"camera {device.index}",
            status=Status.OK if device.readable else Status.WARN,
            detail=device.name if device.readable else f"{device.name}: no permission",
            remedy="" if device.readable else "sudo usermod -aG video $USER, then log in again",
        )
        for device in devices
    ]
