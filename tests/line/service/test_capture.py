"""A camera's thread: fresh handles, growing waits, and a handle that is slow to close."""

from __future__ import annotations

import threading
import time

from drawn_parts import draw_part
from line.components.child import await_true
from line.components.pushed_source import PushedSource

from res2clip_runtime.errors import SourceError
from res2clip_runtime.service.camera_plan import CameraPlan
from res2clip_runtime.service.capture import Capture
from res2clip_runtime.service.ticket import Ticket
from res2clip_runtime.sinks.backoff import Backoff
from res2clip_runtime.sources import Frame, Source


class Kept:
    """A feed that keeps what comes."""

    def __init__(self, *, on_demand: bool = False) -> None:
        self.frames: list[Frame] = []
        self._on_demand = on_demand

    def on_demand(self, plan: CameraPlan, source: Source) -> bool:
        return self._on_demand

    def take(self, frame: Frame, capture: Capture) -> None:
        self.frames.append(frame)


def plan(opener, **settings: object) -> CameraPlan:
    given = {"name": "top", "backoff": Backoff(first_s=0.01, most_s=0.05), **settings}
    return CameraPlan(open=opener, **given)


def test_each_loss_is_followed_by_a_handle_of_its_own() -> None:
    handles: list[PushedSource] = []

    def opener() -> Source:
        handles.append(PushedSource("top"))
        return handles[-1]

    with Capture(plan(opener), Kept()) as capture:
        capture.start()
        for count in range(1, 4):
            await_true(lambda count=count: len(handles) == count, "a fresh handle")
            await_true(lambda: capture.health().state == "ready", "it is ready")
            handles[-1].break_off()
        await_true(lambda: capture.health().reconnects == 3, "it was opened a fourth time")


def test_camera_is_lost_while_its_dead_handle_is_still_being_closed() -> None:
    closing, may_end = threading.Event(), threading.Event()

    class Slow(PushedSource):
        def close(self) -> None:
            closing.set()
            may_end.wait(30)

    source = Slow("top")
    with Capture(plan(lambda: source), Kept()) as capture:
        capture.start()
        await_true(lambda: capture.health().state == "ready", "it is ready")
        source.break_off()
        assert closing.wait(20)
        assert capture.health().state == "lost"
        ticket = Ticket("t1", product="washer", cameras=["top"])
        capture.request(ticket)
        assert "the wire is cut" in ticket.failure
        may_end.set()


def test_opener_that_fails_is_asked_again_and_says_why() -> None:
    asked: list[int] = []

    def opener() -> Source:
        asked.append(1)
        raise SourceError("no such camera; plug it in")

    with Capture(plan(opener), Kept()) as capture:
        capture.start()
        assert isinstance(capture.wait_first(20), SourceError)
        await_true(lambda: len(asked) >= 4, "it is tried again")
        health = capture.health()
        assert (health.state, health.reason) == ("lost", "no such camera; plug it in")
        assert health.reconnects == 0


def test_defect_in_a_source_is_a_loss_and_not_the_end_of_the_thread() -> None:
    handles: list[PushedSource] = []

    def opener() -> Source:
        handles.append(PushedSource("top"))
        if len(handles) == 1:
            raise ZeroDivisionError("a defect")
        return handles[-1]

    with Capture(plan(opener), Kept()) as capture:
        capture.start()
        await_true(lambda: capture.health().state == "ready", "it is ready after all")


def test_picture_that_does_not_come_after_a_trigger_costs_the_handle() -> None:
    """A late one must never be taken for that of the next part."""
    handles: list[PushedSource] = []

    class Triggered(PushedSource):
        has_trigger = True

        def trigger(self) -> None:
            if len(handles) > 1:
                self.push(draw_part(10))

    def opener() -> Source:
        handles.append(Triggered("top"))
        return handles[-1]

    given = plan(opener, trigger="software", picture_timeout_s=0.1)
    with Capture(given, Kept(on_demand=True)) as capture:
        capture.start()
        await_true(lambda: capture.health().state == "ready", "it is ready")
        missed = Ticket("t1", product="washer", cameras=["top"])
        capture.request(missed)
        await_true(lambda: missed.failure, "the trigger is answered")
        handles[0].push(draw_part(20, scratched=True))  # too late
        await_true(lambda: capture.health().state == "ready", "it is ready again")
        second = Ticket("t2", product="washer", cameras=["top"])
        capture.request(second)
        views = second.wait_for_pictures(20)
    assert "no picture within 0.1 s" in missed.failure
    assert views is not None
    assert (views[0][1].image == draw_part(10)).all()


def test_picture_without_a_trigger_is_of_no_part() -> None:
    source = PushedSource("top")
    source.has_trigger = True
    source.trigger = lambda: source.push(draw_part(10))
    with Capture(plan(lambda: source, trigger="software"), Kept(on_demand=True)) as capture:
        capture.start()
        await_true(lambda: capture.health().state == "ready", "it is ready")
        source.push(draw_part(20, scratched=True))
        await_true(lambda: source._queue.empty(), "it is taken and forgotten")
        ticket = Ticket("t1", product="washer", cameras=["top"])
        capture.request(ticket)
        views = ticket.wait_for_pictures(20)
    assert views is not None
    assert (views[0][1].image == draw_part(10)).all()


def test_trigger_that_a_busy_camera_gets_too_late_fails() -> None:
    """Its picture would be of another moment, and so of another part."""
    source = PushedSource("top")
    source.has_trigger = True
    release = threading.Event()

    def expose() -> None:
        assert release.wait(30)
        source.push(draw_part(10))

    source.trigger = expose
    given = plan(lambda: source, trigger="software", trigger_delay_s=0.05)
    with Capture(given, Kept(on_demand=True)) as capture:
        capture.start()
        await_true(lambda: capture.health().state == "ready", "it is ready")
        first, second = (Ticket(name, product="washer", cameras=["top"]) for name in ("t1", "t2"))
        capture.request(first)
        capture.request(second)
        await_true(lambda: time.monotonic() > second.at_s + 0.06, "the moment is over")
        release.set()
        assert first.wait_for_pictures(20) is not None
        await_true(lambda: second.failure, "the second fails")
        assert "was busy for" in second.failure
        third = Ticket("t3", product="washer", cameras=["top"])
        capture.request(third)
        assert third.wait_for_pictures(20) is not None


def test_only_the_first_picture_of_a_part_must_be_of_the_triggers_moment() -> None:
    source = PushedSource("top")
    source.has_trigger = True
    given = plan(lambda: source, trigger="software", trigger_delay_s=0.05)
    ticket = Ticket("t1", product="washer", cameras=["top"], pictures=3)

    def expose() -> None:
        if not ticket.untouched("top"):
            await_true(lambda: time.monotonic() > ticket.at_s + 0.06, "the moment is over")
        source.push(draw_part(10))

    source.trigger = expose
    with Capture(given, Kept(on_demand=True)) as capture:
        capture.start()
        await_true(lambda: capture.health().state == "ready", "it is ready")
        ticket.at_s = time.monotonic()
        capture.request(ticket)
        views = ticket.wait_for_pictures(20)
    assert views is not None, ticket.failure
    assert len(views) == 3


def test_first_picture_that_comes_long_after_the_trigger_fails_it() -> None:
    class Passing(Kept):
        def take(self, frame: Frame, capture: Capture) -> None:
            capture.serve(frame)

    source = PushedSource("top")
    with Capture(plan(lambda: source, picture_timeout_s=0.05), Passing()) as capture:
        capture.start()
        await_true(lambda: capture.health().state == "ready", "it is ready")
        ticket = Ticket("t1", product="washer", cameras=["top"])
        capture.request(ticket)
        await_true(lambda: time.monotonic() > ticket.at_s + 0.06, "the moment is over")
        source.push(draw_part(10))
        await_true(lambda: ticket.failure, "the ticket fails")
    assert "after the trigger" in ticket.failure
