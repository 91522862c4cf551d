"""How much memory a call adds at its highest, as the kernel counts it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

__all__ = ["forget_peak", "peak_added_mb", "peak_mb"]

_STATUS = Path("/proc/self/status")
_RESET = Path("/proc/self/clear_refs")


def forget_peak() -> bool:
    """Begin the high-water mark anew; False where the kernel does not allow it (``proc(5)``)."""
    try:
        _RESET.write_text("5", encoding="ascii")
    except OSError:
        return False
    return True


def peak_mb() -> float:
    """Return how many MB were resident at most, since ``forget_peak`` or the process's start."""
    return _resident_mb("VmHWM")


def peak_added_mb(call: Callable[[], object]) -> float:
    """Return how many MB more than before are resident at the highest point of ``call``.

    Memory that earlier calls freed is used again without being counted, so ask a fresh process.
    NaN where the kernel does not allow it.
    """
    if not forget_peak():
        return float("nan")
    before = _resident_mb("VmRSS")
    call()
    return max(0.0, peak_mb() - before)


def _resident_mb(field: str) -> float:
    found = re.search(rf"^{field}:\s+(\d+) kB", _STATUS.read_text(encoding="ascii"), re.MULTILINE)
    return int(found[1]) * 1024 / 1e6 if found else float("nan")
