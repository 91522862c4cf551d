"""Where a figure was measured: a figure without it says nothing."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path

import numpy as np

from res2clip_runtime.cuda.nvidia_driver import ask_driver
from res2clip_runtime.tensorrt.library import MODULES

__all__ = ["processor_name", "surroundings"]

_PACKAGES = (
    "res2clip",
    "numpy",
    "onnxruntime",
    "onnxruntime-gpu",
    "openvino",
    "tensorrt",
    "tensorrt_rtx",
    "pycuda",
    "torch",
)


def surroundings() -> dict[str, str]:
    """Return time, commit, device, GPU, power mode and versions, as one CSV row has them.

    The GPU, with driver and CUDA, is named whether or not an engine used it.
    """
    found = {
        "when": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "commit": _commit(),
        "device": f"{processor_name()}, {len(os.sched_getaffinity(0))} cores",
        "gpu": str(ask_driver()),
        "power_mode": _power_mode(),
        "versions": " ".join(f"{name}={version}" for name, version in _versions().items()),
    }
    return {name: value or "-" for name, value in found.items()}


def processor_name() -> str:
    """Return the processor's name as the kernel gives it, else its architecture."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    found = re.search(r"^(?:model name|Model)\s*:\s*(.+)$", text, re.MULTILINE)
    return found[1].strip() if found else platform.machine()


def _commit() -> str:
    """Return the commit of the checkout that this file lies in, if it does lie in one."""
    here = Path(__file__).resolve().parent
    command = ["git", "-C", str(here), "describe", "--always", "--dirty", "--exclude=*"]
    try:
        # An installed package may lie in somebody else's checkout, ignored by it.
        tracked = [*command[:3], "ls-files", "--error-unmatch", Path(__file__).name]
        if subprocess.run(tracked, capture_output=True, check=False, timeout=10).returncode:
            return ""
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()


def _power_mode() -> str:
    """Return the frequency governor, and a Jetson's power mode where there is one."""
    places = ("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "/var/lib/nvpmodel/status")
    found = []
    for place in places:
        try:
            found.append(Path(place).read_text(encoding="utf-8").strip())
        except OSError:
            continue
    return " ".join(found)


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    # TensorRT of JetPack is no package of pip's: what was imported tells its own release.
    for name, modules in MODULES.items():
        for module in filter(None, map(sys.modules.get, modules)):
            versions[name] = str(getattr(module, "__version__", versions.get(name, "")))
    return {**versions, "numpy": np.__version__}
