"""Verdicts and summaries as text for a person."""

from __future__ import annotations

import math

from res2clip_runtime.safe_text import shown
from res2clip_runtime.tally import Summary
from res2clip_runtime.verdict import Decision, Verdict

__all__ = ["summary_text", "verdict_line"]


def verdict_line(verdict: Verdict) -> str:
    """Return one line: decision, score, picture, and where or why."""
    score = f"{verdict.score:.4f}" if math.isfinite(verdict.score) else "-"
    line = f"{verdict.decision.value:<5}  {score:>8}  {shown(verdict.frame_id)}"
    if verdict.decision is Decision.ERROR:
        return f"{line}  ({shown(' '.join(verdict.reason.split()))})"
    if verdict.decision is Decision.NG and verdict.regions:
        worst = verdict.regions[0]
        return f"{line}  ({worst.width} x {worst.height} px at {worst.left}, {worst.top})"
    return line


def summary_text(summary: Summary, *, product: str, stopped: bool) -> str:
    """Return the figures of a run as a few lines."""
    noun = "picture" if summary.frames == 1 else "pictures"
    head = (
        f"{summary.frames} {noun} of '{product}': "
        f"{summary.ok} OK, {summary.ng} NG, {summary.error} ERROR"
        f"{' (stopped before the end)' if stopped else ''}"
    )
    if not summary.latency:
        return head
    rows = [f"{'ms':<12}{'p50':>9}{'p90':>9}{'p99':>9}"]
    rows += [
        f"{stage:<12}{values.p50_ms:>9.2f}{values.p90_ms:>9.2f}{values.p99_ms:>9.2f}"
        for stage, values in summary.latency.items()
    ]
    return "\n".join([head, *rows])
