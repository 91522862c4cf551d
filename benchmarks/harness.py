"""Timing, and rows that say what was timed where."""

from __future__ import annotations

import csv
import os
import platform
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path

import numpy as np

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    runs: int
    first_ms: float
    p50_ms: float
    p90_ms: float
    p99_ms: float


def time_calls(call: Callable[[], object], *, runs: int = 30, warm_up: int = 5) -> Timing:
    """Time ``call`` after a warm-up; the very first call is reported apart."""
    samples = []
    for _ in range(1 + warm_up + runs):
        start = time.perf_counter_ns()
        call()
        samples.append((time.perf_counter_ns() - start) / 1e6)
    return summarise(samples[1 + warm_up :], first_ms=samples[0])


def summarise(samples_ms: list[float], *, first_ms: float = float("nan")) -> Timing:
    p50, p90, p99 = np.percentile(samples_ms, [50, 90, 99])
    return Timing(
        runs=len(samples_ms),
        first_ms=first_ms,
        p50_ms=float(p50),
        p90_ms=float(p90),
        p99_ms=float(p99),
    )


def append_rows(name: str, rows: list[Mapping[str, object]]) -> Path:
    """Append rows to ``results/<name>.csv``, each with the machine, versions and commit."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.csv"
    full = [{**_surroundings(), **row} for row in rows]
    new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(full[0]))
        if new:
            writer.writeheader()
        writer.writerows(full)
    return path


def print_table(rows: list[Mapping[str, object]]) -> None:
    columns = list(rows[0])
    cells = [[_text(row[c]) for c in columns] for row in rows]
    widths = [max(len(c), *(len(line[i]) for line in cells)) for i, c in enumerate(columns)]
    for line in (columns, *cells):
        print("  ".join(text.rjust(width) for text, width in zip(line, widths, strict=True)))


def _text(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _surroundings() -> dict[str, object]:
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parent,
        check=False,
    ).stdout.strip()
    return {
        "when": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "commit": commit,
        "device": f"{platform.machine()} CPU, {os.cpu_count()} cores",
        "versions": " ".join(f"{n}={_version(n)}" for n in ("numpy", "onnxruntime", "torch")),
    }


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "-"
