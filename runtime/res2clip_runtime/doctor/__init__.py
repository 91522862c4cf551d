"""What works on this machine, found out by trying it."""

from __future__ import annotations

from res2clip_runtime.doctor.bundles import check_bundles
from res2clip_runtime.doctor.cameras import check_cameras
from res2clip_runtime.doctor.check import Check, Status
from res2clip_runtime.doctor.engine import check_engine
from res2clip_runtime.doctor.nvidia import check_nvidia
from res2clip_runtime.doctor.packages import check_packages
from res2clip_runtime.doctor.place import check_data_directory
from res2clip_runtime.doctor.tensorrt_libraries import check_tensorrt

__all__ = ["Check", "Status", "diagnose"]


def diagnose() -> list[Check]:
    """Return the runtime's checks: packages, engines, GPUs, cameras, bundles, data directory."""
    return [
        *check_packages(),
        *check_engine(),
        *check_nvidia(),
        *check_tensorrt(),
        *check_cameras(),
        *check_bundles(),
        check_data_directory(),
    ]
