from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from res2clip_runtime import tally
from res2clip_runtime.inspection import error_verdict
from res2clip_runtime.tally import Tally
from res2clip_runtime.verdict import Decision, Verdict


def verdict(ms: float, decision: Decision = Decision.OK) -> Verdict:
    plain = error_verdict("a", "washer", "")
    return dataclasses.replace(plain, decision=decision, latency_ms={"read": 1.0, "match": ms})


def test_decisions_are_counted() -> None:
    counted = Tally()
    for decision in (Decision.OK, Decision.OK, Decision.NG, Decision.ERROR):
        counted.add(verdict(1, decision))
    summary = counted.summary()
    assert (summary.frames, summary.ok, summary.ng, summary.error) == (4, 2, 1, 1)


def test_percentiles_are_those_of_numpy() -> None:
    values = np.random.default_rng(0).gamma(2, 3, 500)
    counted = Tally()
    for ms in values:
        counted.add(verdict(ms))
    latency = counted.summary().latency
    assert list(latency) == ["read", "match", "total"]
    found = latency["match"]
    expected = np.percentile(values, [50, 90, 99])
    assert (found.p50_ms, found.p90_ms, found.p99_ms) == pytest.approx(tuple(expected))
    assert latency["total"].p50_ms == pytest.approx(expected[0] + 1)


def test_picture_without_latencies_is_counted_but_not_timed() -> None:
    counted = Tally()
    counted.add(error_verdict("a", "washer", ""))
    assert counted.summary().error == 1
    assert counted.summary().latency == {}


def test_empty_run_has_a_summary() -> None:
    assert json.loads(json.dumps(Tally().summary().to_json()))["frames"] == 0


def test_long_run_keeps_only_the_last_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tally, "WINDOW", 10)
    counted = Tally()
    for ms in range(25):
        counted.add(verdict(ms))
    assert counted.frames == 25
    assert counted.summary().latency["match"].p50_ms == pytest.approx(np.mean(range(15, 25)))
