from __future__ import annotations

import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from line_waiting import wait_until
from prometheus_client.parser import text_string_to_metric_families
from small_line import SmallLine

from res2clip_runtime.errors import InputError, OutputError
from res2clip_runtime.inspection import error_verdict
from res2clip_runtime.sinks import SinkHealth
from res2clip_runtime.sinks.metrics_page import MetricsConfig, MetricsPage
from res2clip_runtime.verdict import Verdict

ANY_PORT = MetricsConfig(port=0)


@pytest.fixture
def page(line: SmallLine) -> Iterator[MetricsPage]:
    with closing(MetricsPage(ANY_PORT, line)) as page:
        yield page


def scraped(page: MetricsPage) -> dict[str, float]:
    """Return every sample of the page, by its name and labels."""
    url = f"http://127.0.0.1:{page.port}/metrics"
    with urllib.request.urlopen(url, timeout=10) as answer:
        text = answer.read().decode()
    samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            samples[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return samples


def test_the_line_its_cameras_and_sinks_are_on_the_page(page: MetricsPage, line: SmallLine) -> None:
    line.sinks = (SinkHealth(name="mqtt", state="failing", written=5, dropped=2, queued=3),)
    line.camera_is(frames=7, dropped=1, reconnects=2, frame_age_s=0.25)
    line.trigger()
    wait_until(lambda: line.verdicts)
    samples = scraped(page)
    expected = {
        "res2clip_up": 1,
        "res2clip_ready": 1,
        "res2clip_uptime_seconds": 3,
        "res2clip_triggers_total": 1,
        "res2clip_inspected_total": 1,
        "res2clip_late_total": 0,
        "res2clip_decisions_total{decision=OK}": 1,
        "res2clip_decisions_total{decision=NG}": 0,
        "res2clip_decisions_total{decision=ERROR}": 0,
        "res2clip_stage_seconds{stage=encoder}": 0.0125,
        "res2clip_recipe{product=washer,recipe_id=0123456789abcdef}": 1,
        "res2clip_camera_ready{camera=top}": 1,
        "res2clip_camera_frames_total{camera=top}": 7,
        "res2clip_camera_dropped_total{camera=top}": 1,
        "res2clip_camera_reconnects_total{camera=top}": 2,
        "res2clip_camera_frame_age_seconds{camera=top}": 0.25,
        "res2clip_sink_ok{sink=mqtt}": 0,
        "res2clip_sink_written_total{sink=mqtt}": 5,
        "res2clip_sink_dropped_total{sink=mqtt}": 2,
        "res2clip_sink_queued{sink=mqtt}": 3,
    }
    assert {name: samples.get(name) for name in expected} == expected


def test_scores_and_times_of_verdicts_are_counted_and_errors_have_none(
    page: MetricsPage, ok: Verdict, ng: Verdict
) -> None:
    for verdict in (ok, ng, error_verdict("x", "washer", "dark")):
        page.write(verdict, None)
    samples = scraped(page)
    assert samples["res2clip_score_count{product=washer}"] == 2
    assert samples["res2clip_score_sum{product=washer}"] == pytest.approx(ok.score + ng.score)
    seconds = sum([*ok.latency_ms.values(), *ng.latency_ms.values()]) / 1000
    assert samples["res2clip_inspection_seconds_sum{product=washer}"] == pytest.approx(seconds)


def test_every_metric_is_in_the_docs_and_no_other(
    page: MetricsPage, line: SmallLine, ng: Verdict
) -> None:
    line.sinks = (SinkHealth(name="mqtt", state="ok"),)
    page.write(ng, None)
    names = {name.split("{")[0] for name in scraped(page)}
    served = {re.sub(r"_(bucket|count|sum|created)$", "", name) for name in names}
    docs = (Path(__file__).parents[3] / "docs" / "outputs.md").read_text()
    rows = docs.split("## Metrics\n")[1].split("| metric (")[1].splitlines()[2:]
    cells = [row.split("|")[1] for row in rows if row.startswith("|")]
    told = {f"res2clip_{name}" for cell in cells for name in re.findall(r"`(\w+)`", cell)}
    assert told == served


def test_a_lost_camera_is_on_the_page(page: MetricsPage, line: SmallLine) -> None:
    line.camera_is(state="lost", frame_age_s=None)
    samples = scraped(page)
    assert samples["res2clip_camera_ready{camera=top}"] == 0
    assert samples["res2clip_ready"] == 0
    assert "res2clip_camera_frame_age_seconds{camera=top}" not in samples


def test_a_line_that_cannot_say_how_it_is_counts_as_down(
    page: MetricsPage, line: SmallLine
) -> None:
    line.health_breaks = True
    samples = scraped(page)
    assert (samples["res2clip_up"], samples["res2clip_ready"]) == (0, 0)
    assert "res2clip_inspected_total" not in samples


def test_two_pages_keep_their_figures_apart_and_end_when_closed(
    line: SmallLine, ok: Verdict
) -> None:
    first, second = MetricsPage(ANY_PORT, line), MetricsPage(ANY_PORT, line)
    first.write(ok, None)
    assert "res2clip_score_count{product=washer}" not in scraped(second)
    for page in (first, second):
        page.close()
        page.close()
        with pytest.raises(urllib.error.URLError):
            scraped(page)


def test_an_address_that_is_taken_is_said_so(page: MetricsPage, line: SmallLine) -> None:
    with pytest.raises(OutputError, match=rf"127\.0\.0\.1:{page.port}: Address already in use"):
        MetricsPage(MetricsConfig(port=page.port), line)


def test_a_setting_that_makes_no_sense_is_named() -> None:
    with pytest.raises(InputError, match=r"metrics\.port is -1"):
        MetricsConfig(port=-1)
    with pytest.raises(InputError, match=r"metrics\.host is ''"):
        MetricsConfig(host="")
