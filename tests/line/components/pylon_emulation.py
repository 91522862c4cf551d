"""Basler's emulated camera: plays the pictures of a folder in order, pixel-exact.

It runs inside the process that opens ``pylon://``; give that process :func:`environment` and open
it with :func:`features`. pylon looks for GigE cameras by broadcast: use a ``PrivateNetwork``.
"""

from __future__ import annotations

from pathlib import Path

SERIAL = "0815-0000"
PLACE = f"pylon://{SERIAL}"


def environment(cameras: int = 1) -> dict[str, str]:
    """Return the environment in which there are ``cameras`` emulated ones."""
    return {"PYLON_CAMEMU": str(cameras)}


def features(folder: Path | str) -> dict[str, str]:
    """Return the camera's features that make it play ``folder``."""
    return {
        "TestImageSelector": "Off",
        "ImageFileMode": "On",
        "ImageFilename": str(folder),
    }
