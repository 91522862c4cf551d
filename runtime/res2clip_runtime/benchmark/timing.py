"""Milliseconds of calls: warm-up, turns, percentiles."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Timing", "summarise", "time_calls", "time_in_turn"]

FEWEST_RUNS = 3
"""Timed runs that are made however long they take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """What repeated runs of one call took."""

    runs: int
    """Timed runs, after the warm-up."""
    first_ms: float
    """The very first call (cold start); NaN where it was not seen."""
    p50_ms: float
    """Median."""
    p90_ms: float
    """90th percentile."""
    p99_ms: float
    """99th percentile."""
    min_ms: float
    """Fastest run."""


def time_in_turn(
    calls: Mapping[str, Callable[[], object]],
    *,
    runs: int = 30,
    warm_up: int = 5,
    seconds: float | None = None,
) -> dict[str, Timing]:
    """Return the timing of each call; they take turns, so that a noisy machine slows all alike.

    Args:
        calls: what to time, by name.
        runs: timed runs of each.
        warm_up: runs of each after the first that are not counted.
        seconds: after so much time no further round begins, once ``FEWEST_RUNS`` are done; a slow
            call is warmed up once.
    """
    samples: dict[str, list[float]] = {name: [] for name in calls}
    first = {name: _elapsed_ms(call) for name, call in calls.items()}
    begun = time.perf_counter()
    for turn in range(warm_up + runs):
        late = seconds is not None and time.perf_counter() - begun > seconds
        timed = len(next(iter(samples.values())))
        if late and timed >= FEWEST_RUNS:
            break
        for name, call in calls.items():
            elapsed = _elapsed_ms(call)
            if turn >= warm_up or (late and turn > 0):
                samples[name].append(elapsed)
    return {name: summarise(samples[name], first_ms=first[name]) for name in calls}


def time_calls(call: Callable[[], object], *, runs: int = 30, warm_up: int = 5) -> Timing:
    """Return the timing of one call; the very first is reported apart."""
    return time_in_turn({"": call}, runs=runs, warm_up=warm_up)[""]


def summarise(samples_ms: Sequence[float], *, first_ms: float = float("nan")) -> Timing:
    """Return the percentiles of measured milliseconds."""
    p50, p90, p99 = np.percentile(samples_ms, [50, 90, 99])
    return Timing(
        runs=len(samples_ms),
        first_ms=first_ms,
        p50_ms=float(p50),
        p90_ms=float(p90),
        p99_ms=float(p99),
        min_ms=min(samples_ms),
    )


def _elapsed_ms(call: Callable[[], object]) -> float:
    start = time.perf_counter_ns()
    call()
    return (time.perf_counter_ns() - start) / 1e6
