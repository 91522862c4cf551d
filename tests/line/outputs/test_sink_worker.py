from __future__ import annotations

import dataclasses
import logging
import threading

import numpy as np
import pytest
from line_waiting import wait_until

from res2clip_runtime.errors import InputError, OutputError
from res2clip_runtime.inspection import error_verdict
from res2clip_runtime.sinks import Backoff, SinkWorker
from res2clip_runtime.verdict import Verdict

QUICK = Backoff(first_s=0.005, most_s=0.02)


class Memory:
    """Keeps what it gets; refuses, hangs or breaks where told."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.pictures: list[object] = []
        self.maps: list[object] = []
        self.refuse = 0
        self.defect = False
        self.gate = threading.Event()
        self.gate.set()
        self.closed_by: str | None = None
        self.attempts = 0

    def write(self, verdict: Verdict, picture: object) -> None:
        self.attempts += 1
        self.gate.wait()
        if self.defect:
            raise ZeroDivisionError("a defect")
        if self.refuse:
            self.refuse -= 1
            raise OutputError("the cellar is full")
        self.names.append(verdict.frame_id)
        self.pictures.append(picture)
        self.maps.append(verdict.anomaly_map)

    def close(self) -> None:
        self.closed_by = threading.current_thread().name


def numbered(number: int) -> Verdict:
    return error_verdict(str(number), "washer", "because")


def test_verdicts_arrive_in_order_and_close_waits_for_all() -> None:
    sink = Memory()
    worker = SinkWorker(sink, name="memory")
    for number in range(100):
        worker.offer(numbered(number), None)
    worker.close()
    assert sink.names == [str(number) for number in range(100)]
    assert sink.closed_by == "sink-memory"
    assert (worker.health.state, worker.health.written) == ("closed", 100)
    assert (worker.health.dropped, worker.health.queued) == (0, 0)


def test_a_refused_verdict_is_tried_again_and_nothing_overtakes_it() -> None:
    sink = Memory()
    sink.refuse = 3
    with SinkWorker(sink, name="memory", backoff=QUICK) as worker:
        for number in range(5):
            worker.offer(numbered(number), None)
        wait_until(lambda: len(sink.names) == 5)
        assert worker.health.state == "ok"
    assert sink.names == list("01234")
    assert sink.attempts == 8


def test_a_failing_sink_says_why_once_and_that_it_is_well_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    sink = Memory()
    sink.refuse = 10**6
    with SinkWorker(sink, name="memory", backoff=QUICK) as worker:
        worker.offer(numbered(0), None)
        wait_until(lambda: sink.attempts > 5)
        assert worker.health.state == "failing"
        assert "cellar is full" in worker.health.reason
        sink.refuse = 0
        wait_until(lambda: worker.health.state == "ok")
        assert worker.health.reason == ""
    said = [record.message for record in caplog.records if "sink memory" in record.message]
    assert len(said) == 2
    assert "writing again" in said[1]


def test_a_full_queue_drops_the_oldest_and_counts_them() -> None:
    sink = Memory()
    sink.gate.clear()
    with SinkWorker(sink, name="memory", capacity=3) as worker:
        worker.offer(numbered(0), None)
        wait_until(lambda: sink.attempts == 1)
        for number in range(1, 8):
            worker.offer(numbered(number), None)
        assert (worker.health.queued, worker.health.dropped) == (4, 4)
        sink.gate.set()
    assert sink.names == ["0", "5", "6", "7"]


def test_a_full_queue_drops_the_newest_where_asked() -> None:
    sink = Memory()
    sink.gate.clear()
    with SinkWorker(sink, name="memory", capacity=2, drop="newest") as worker:
        worker.offer(numbered(0), None)
        wait_until(lambda: sink.attempts == 1)
        for number in range(1, 6):
            worker.offer(numbered(number), None)
        sink.gate.set()
    assert sink.names == ["0", "1", "2"]
    assert worker.health.dropped == 3


def test_used_up_attempts_give_a_verdict_up_and_the_next_is_tried() -> None:
    sink = Memory()
    sink.refuse = 2
    backoff = dataclasses.replace(QUICK, attempts=2)
    with SinkWorker(sink, name="memory", backoff=backoff) as worker:
        worker.offer(numbered(0), None)
        worker.offer(numbered(1), None)
        wait_until(lambda: sink.names == ["1"])
    assert worker.health.dropped == 1


def test_a_defect_of_a_sink_costs_its_verdict_and_nothing_else(
    caplog: pytest.LogCaptureFixture,
) -> None:
    sink = Memory()
    sink.defect = True
    with SinkWorker(sink, name="memory") as worker:
        worker.offer(numbered(0), None)
        wait_until(lambda: worker.health.dropped == 1)
        assert "ZeroDivisionError" in worker.health.reason
        sink.defect = False
        worker.offer(numbered(1), None)
        wait_until(lambda: sink.names == ["1"])
    assert "please report it" in caplog.text


def test_one_sink_that_always_fails_touches_no_other() -> None:
    broken, hanging, sound = Memory(), Memory(), Memory()
    broken.refuse = 10**9
    hanging.gate.clear()
    workers = [
        SinkWorker(sink, name=name, capacity=capacity, backoff=QUICK)
        for name, sink, capacity in (
            ("broken", broken, 8),
            ("hanging", hanging, 8),
            ("sound", sound, 500),
        )
    ]
    for worker in workers[:2]:
        worker.offer(numbered(0), None)
    wait_until(lambda: broken.attempts and hanging.attempts)
    for number in range(1, 501):
        for worker in workers:
            worker.offer(numbered(number), None)
    wait_until(lambda: len(sound.names) == 500)
    assert [worker.health.dropped for worker in workers] == [492, 492, 0]
    for worker in workers:
        worker.close(timeout_s=0.1)
    assert [worker.health.state for worker in workers] == ["closed"] * 3
    assert "did not end" in workers[1].health.reason
    hanging.gate.set()  # lets its thread end


def test_close_gives_up_a_dead_sink_within_its_limit_and_counts_what_is_lost() -> None:
    sink = Memory()
    sink.refuse = 10**9
    worker = SinkWorker(sink, name="memory")
    for number in range(5):
        worker.offer(numbered(number), None)
    worker.close(timeout_s=0.2)
    worker.close()
    assert (worker.health.state, worker.health.dropped, worker.health.queued) == ("closed", 5, 0)
    assert sink.closed_by


def test_what_is_offered_after_the_end_is_dropped_and_counted() -> None:
    worker = SinkWorker(Memory(), name="memory")
    worker.close()
    worker.offer(numbered(0), None)
    assert worker.health.dropped == 1


def test_pictures_and_maps_wait_only_for_a_sink_that_uses_them(ng: Verdict) -> None:
    picture = np.zeros((4, 4, 3), np.uint8)
    slim, whole = Memory(), Memory()
    with (
        SinkWorker(slim, name="slim", pictures=False) as first,
        SinkWorker(whole, name="whole") as second,
    ):
        first.offer(ng, picture)
        second.offer(ng, picture)
    assert (slim.pictures, slim.maps) == ([None], [None])
    assert whole.pictures[0] is picture
    assert whole.maps[0] is ng.anomaly_map


def test_a_sink_gets_only_what_it_wants_even_if_asking_breaks() -> None:
    def wants(verdict: Verdict) -> bool:
        return 1 / int(verdict.frame_id) > 0.2

    sink = Memory()
    with SinkWorker(sink, name="memory", wants=wants) as worker:
        for number in (1, 9, 0, 2):
            worker.offer(numbered(number), None)
    assert sink.names == ["1", "2"]
    assert worker.health.dropped == 1


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(InputError, match="capacity of the sink 'x' is 0"):
        SinkWorker(Memory(), name="x", capacity=0)
    with pytest.raises(InputError, match="attempts is 0"):
        Backoff(attempts=0)
    with pytest.raises(InputError, match="back-off is from"):
        Backoff(first_s=3, most_s=1)


def test_waits_double_up_to_the_longest() -> None:
    backoff = Backoff(first_s=0.1, most_s=1.0)
    assert [backoff.wait_s(n) for n in (1, 2, 3, 4, 5, 10**6)] == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]
