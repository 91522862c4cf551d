"""How long each stage takes on this machine: the one harness, for users and for ``benchmarks/``."""

from __future__ import annotations

from res2clip_runtime.benchmark.bundle_benchmark import STAGES, benchmark_bundle
from res2clip_runtime.benchmark.rows import append_csv, as_csv, as_text
from res2clip_runtime.benchmark.surroundings import surroundings
from res2clip_runtime.benchmark.timing import Timing, summarise, time_calls, time_in_turn

__all__ = [
    "STAGES",
    "Timing",
    "append_csv",
    "as_csv",
    "as_text",
    "benchmark_bundle",
    "summarise",
    "surroundings",
    "time_calls",
    "time_in_turn",
]
