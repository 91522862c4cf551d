"""Counts and times of a line, in a bounded piece of memory."""

from __future__ import annotations

import statistics
import threading
from collections import Counter, deque

from res2clip_runtime.verdict import Decision, Verdict

__all__ = ["Figures"]

WINDOW = 100
"""Pictures that the medians are over."""


class Figures:
    """Counts verdicts and pictures; may be used from any thread."""

    def __init__(self) -> None:
        """Start at zero."""
        self._lock = threading.Lock()
        self._decisions: Counter[Decision] = Counter()
        self._inspected = 0
        self._latency_ms: dict[str, deque[float]] = {}

    @property
    def verdicts(self) -> int:
        """Verdicts so far."""
        with self._lock:
            return self._decisions.total()

    @property
    def inspected(self) -> int:
        """Pictures that went through the model."""
        with self._lock:
            return self._inspected

    @property
    def decisions(self) -> dict[str, int]:
        """Verdicts so far by decision."""
        with self._lock:
            return {decision.value: self._decisions[decision] for decision in Decision}

    @property
    def latency_ms(self) -> dict[str, float]:
        """Median of the last pictures by stage; ``total`` is that of the sums of the stages.

        ``service`` is what a part took besides, from the picture at hand to the verdict handed on.
        """
        with self._lock:
            kept = {stage: list(values) for stage, values in self._latency_ms.items()}
        return {stage: statistics.median(values) for stage, values in kept.items()}

    def add_verdict(self, verdict: Verdict) -> None:
        """Count a verdict."""
        with self._lock:
            self._decisions[verdict.decision] += 1

    def add_picture(self, verdict: Verdict) -> None:
        """Count a picture that went through the model, and its times."""
        with self._lock:
            self._inspected += 1
            if not verdict.latency_ms:
                return
            times_ms = {**verdict.latency_ms, "total": sum(verdict.latency_ms.values())}
            for stage, ms in times_ms.items():
                self._keep(stage, ms)

    def add_part(self, verdict: Verdict, *, took_ms: float) -> None:
        """Note what a part took from its pictures at hand to its verdict handed on."""
        if verdict.latency_ms:
            with self._lock:
                self._keep("service", took_ms - sum(verdict.latency_ms.values()))

    def _keep(self, stage: str, ms: float) -> None:
        self._latency_ms.setdefault(stage, deque(maxlen=WINDOW)).append(ms)
