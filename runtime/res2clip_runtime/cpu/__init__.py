"""Stages on a CPU's cores in NumPy, where that is faster than an inference engine."""

from __future__ import annotations

from res2clip_runtime.cpu.matched_on_cpu import FEWEST_REFERENCES, MatchedOnCpu
from res2clip_runtime.cpu.matcher import CpuMatcher

__all__ = ["FEWEST_REFERENCES", "CpuMatcher", "MatchedOnCpu"]
