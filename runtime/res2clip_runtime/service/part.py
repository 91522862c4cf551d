"""Several pictures of one part: the worst one's verdict is the part's."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from res2clip_runtime.verdict import Decision, Verdict, View

__all__ = ["part_verdict", "worst_index"]

_RANK = {Decision.OK: 0, Decision.NG: 1, Decision.ERROR: 2}


def part_verdict(verdicts: Sequence[Verdict], *, part_id: str) -> Verdict:
    """Return the verdict of the worst view, with all views; ERROR is worse than NG than OK.

    The latencies are the sums over the views, because that is what the part took.
    """
    worst = verdicts[worst_index(verdicts)]
    latency_ms: dict[str, float] = {}
    for verdict in verdicts:
        for stage, ms in verdict.latency_ms.items():
            latency_ms[stage] = latency_ms.get(stage, 0.0) + ms
    views = tuple(
        View(
            frame_id=verdict.frame_id,
            camera=verdict.camera,
            decision=verdict.decision,
            score=verdict.score,
            reason=verdict.reason,
        )
        for verdict in verdicts
    )
    return dataclasses.replace(worst, part_id=part_id, views=views, latency_ms=latency_ms)


def worst_index(verdicts: Sequence[Verdict]) -> int:
    """Return which verdict is the worst; the first of equals.

    The decision counts first, then the score's distance above its threshold.
    """
    return max(range(len(verdicts)), key=lambda index: (_badness(verdicts[index]), -index))


def _badness(verdict: Verdict) -> tuple[int, float]:
    above = verdict.score - (verdict.threshold or 0.0)
    return _RANK[verdict.decision], above if math.isfinite(above) else -math.inf
