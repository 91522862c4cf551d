"""The place where bundles are installed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from res2clip_runtime.doctor.check import Check, Status
from res2clip_runtime.storage import data_directory

__all__ = ["check_data_directory"]

_LITTLE_BYTES = 2 << 30
"""A bundle of the large backbone takes about 1.3 GB."""


def check_data_directory() -> Check:
    """Return whether the data directory can be written and how much space is left."""
    place = data_directory()
    existing = _nearest_existing(place)
    if not os.access(existing, os.W_OK | os.X_OK):
        return Check(
            name="data directory",
            status=Status.WARN,
            detail=f"{place} cannot be written",
            remedy="set XDG_DATA_HOME to a folder of yours, or use --bundle DIR",
        )
    free = shutil.disk_usage(existing).free
    little = free < _LITTLE_BYTES
    return Check(
        name="data directory",
        status=Status.WARN if little else Status.OK,
        detail=f"{place}, {free / 1e9:.1f} GB free",
        remedy="free some space; a large bundle takes more than 1 GB" if little else "",
    )


def _nearest_existing(path: Path) -> Path:
    while not path.exists():
        path = path.parent
    return path
