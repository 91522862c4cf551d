"""Three minutes of two cameras: nothing grows. The hour is run with ``benchmarks/soak.py``."""

from __future__ import annotations

import pytest

soak = pytest.importorskip("soak")


@pytest.mark.slow
def test_line_stays_as_it_is_for_three_minutes() -> None:
    pytest.importorskip("av", reason="the extra 'video' is not installed")
    samples, alone_ms = soak.soak(minutes=3.0, cameras=2, every_s=2.0)
    found = soak.summary(samples, alone_ms)
    assert found["inspected"] > 900
    assert abs(found["rss_change_percent"]) < 5, found
    assert found["threads_growth"] == 0, found
    assert found["descriptors_growth"] == 0, found
    assert found["queued_most"] < 64, found
