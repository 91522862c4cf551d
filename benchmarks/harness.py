"""What the programs here share: our timing, and CSV files beside them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from res2clip_runtime.benchmark import (
    Timing,
    append_csv,
    as_text,
    summarise,
    surroundings,
    time_calls,
    time_in_turn,
)
from res2clip_runtime.benchmark.rows import Row

__all__ = [
    "RESULTS",
    "Timing",
    "append_rows",
    "print_table",
    "summarise",
    "time_calls",
    "time_in_turn",
]

RESULTS = Path(__file__).parent / "results"


def append_rows(name: str, rows: Sequence[Row]) -> Path:
    """Append rows to ``results/<name>.csv``, each with the machine, versions and commit."""
    path = RESULTS / f"{name}.csv"
    append_csv(path, [{**surroundings(), **row} for row in rows])
    return path


def print_table(rows: Sequence[Row]) -> None:
    print(as_text(rows))
