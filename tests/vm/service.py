"""The installed unit as root sees it: states, journal, results; used inside the machine."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

from line.components.child import await_true

UNIT = "res2clip-run"
RESULTS = Path("/var/lib/res2clip/results/results.jsonl")
LONG_S = 240.0
"""Longest wait; a start takes half a minute where the machine has little of the processor."""


def systemctl(*words: str) -> str:
    """Return what ``systemctl`` printed."""
    return subprocess.run(["systemctl", *words], capture_output=True, text=True, check=True).stdout


def show(*names: str, unit: str = UNIT) -> dict[str, str]:
    """Return properties of a unit."""
    lines = systemctl("show", unit, "-p", ",".join(names)).splitlines()
    return dict(line.split("=", 1) for line in lines)


def main_pid() -> int:
    """Return the service's process."""
    return int(show("MainPID")["MainPID"])


def restarts() -> int:
    """Return how often systemd started it anew by itself."""
    return int(show("NRestarts")["NRestarts"])


def journal(unit: str = UNIT) -> list[tuple[float, str]]:
    """Return a unit's events: seconds since the boot, text."""
    command = ["journalctl", "-u", unit, "-o", "json", "--output-fields=MESSAGE", "--no-pager"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    events = map(json.loads, lines)
    return [(int(e["__MONOTONIC_TIMESTAMP"]) / 1e6, str(e["MESSAGE"])) for e in events]


def verdicts() -> list[dict]:
    """Return the whole lines of the results."""
    if not RESULTS.exists():
        return []
    return [json.loads(line) for line in RESULTS.read_text().split("\n")[:-1]]


def await_active(*, after_restarts: int = 0) -> None:
    """Wait until the service has said READY, started anew so often at least."""

    def is_active() -> bool:
        state = show("ActiveState", "NRestarts")
        return state["ActiveState"] == "active" and int(state["NRestarts"]) >= after_restarts

    await_true(is_active, "the service is active", deadline_s=LONG_S)


def await_verdicts(since: datetime, count: int = 2) -> dict:
    """Return the first verdict on a picture taken after ``since``, when there are some."""

    def fresh() -> list[dict]:
        found = [v for v in verdicts() if datetime.fromisoformat(v["captured_at"]) > since]
        return found if len(found) >= count else []

    return await_true(fresh, "verdicts on new pictures", deadline_s=LONG_S)[0]


def recovery(break_it: Callable[[int], float], *, until: str) -> dict:
    """Return what became of the service after ``break_it`` was done to its process.

    Args:
        break_it: takes the process's number, returns the moment (monotonic) it was done.
        until: part of systemd's event that says it has noticed.
    """
    pid, before = main_pid(), restarts()
    seen = len(journal())
    broken_s = break_it(pid)
    broken_at = datetime.now(timezone.utc).isoformat()

    def ended() -> float | None:
        return next((at_s for at_s, text in journal()[seen:] if until in text), None)

    noticed_s = await_true(ended, until, deadline_s=LONG_S)
    last = verdicts()[-1]["captured_at"]
    await_active(after_restarts=before + 1)
    active_s = time.monotonic()
    first = await_verdicts(datetime.now(timezone.utc))
    return {
        "noticed_s": noticed_s - broken_s,
        "active_s": active_s - noticed_s,
        "restarts": restarts() - before,
        "another process": main_pid() != pid,
        "decision": first["decision"],
        "events": [text for _, text in journal()[seen:]],
        "last picture before": last,
        "broken_at": broken_at,
    }


def process_is_gone(pid: int) -> bool:
    """Return whether a process has ended and was taken note of."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False
