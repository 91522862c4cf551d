"""What a run amounts to: counts of the decisions and percentiles of the latency."""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from res2clip_runtime.verdict import Decision, Verdict

__all__ = ["Percentiles", "Summary", "Tally"]

WINDOW = 100_000
"""Latencies kept per stage, so that a camera may run for years."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Percentiles:
    """Milliseconds that 50, 90 and 99 % of the pictures stay under."""

    p50_ms: float
    """Median."""
    p90_ms: float
    """One picture in ten takes longer."""
    p99_ms: float
    """One picture in a hundred takes longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """A run in figures."""

    frames: int
    """Pictures inspected."""
    ok: int
    """Of these, OK."""
    ng: int
    """Of these, NG."""
    error: int
    """Of these, without a decision."""
    latency: dict[str, Percentiles]
    """By stage, in the order of the pipeline; ``total`` is the sum of the stages."""

    def to_json(self) -> dict[str, Any]:
        """Return the figures as JSON values."""
        return {
            "frames": self.frames,
            "ok": self.ok,
            "ng": self.ng,
            "error": self.error,
            "latency_ms": {
                stage: {
                    "p50": round(values.p50_ms, 3),
                    "p90": round(values.p90_ms, 3),
                    "p99": round(values.p99_ms, 3),
                }
                for stage, values in self.latency.items()
            },
        }


class Tally:
    """Counts verdicts as they come; percentiles are over the last 100 000 pictures."""

    def __init__(self) -> None:
        """Start at zero."""
        self._decisions: Counter[Decision] = Counter()
        self._latency_ms: dict[str, array[float]] = {}
        self._measured = 0

    @property
    def frames(self) -> int:
        """Pictures counted so far."""
        return self._decisions.total()

    def of(self, decision: Decision) -> int:
        """Return how many verdicts had this decision."""
        return self._decisions[decision]

    def add(self, verdict: Verdict) -> None:
        """Count one verdict; one without latencies (an undecodable picture) has no time."""
        self._decisions[verdict.decision] += 1
        if not verdict.latency_ms:
            return
        slot = self._measured % WINDOW
        self._measured += 1
        latency_ms = {**verdict.latency_ms, "total": sum(verdict.latency_ms.values())}
        for stage, ms in latency_ms.items():
            kept = self._latency_ms.setdefault(stage, array("d"))
            if slot < len(kept):
                kept[slot] = ms
            else:
                kept.append(ms)

    def summary(self) -> Summary:
        """Return the figures so far."""
        return Summary(
            frames=self.frames,
            ok=self.of(Decision.OK),
            ng=self.of(Decision.NG),
            error=self.of(Decision.ERROR),
            latency={stage: _percentiles(values) for stage, values in self._latency_ms.items()},
        )


def _percentiles(values_ms: array[float]) -> Percentiles:
    p50, p90, p99 = np.percentile(np.frombuffer(values_ms), (50, 90, 99))
    return Percentiles(p50_ms=float(p50), p90_ms=float(p90), p99_ms=float(p99))
