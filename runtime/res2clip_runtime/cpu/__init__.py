"""Stages on a CPU's cores in NumPy, where that is faster than an inference engine."""

from __future__ import annotations

from res2clip_runtime.cpu.matched_on_cpu import MatchedOnCpu, gains_from_cpu_match
from res2clip_runtime.cpu.matcher import CpuMatcher

__all__ = ["CpuMatcher", "MatchedOnCpu", "gains_from_cpu_match"]
