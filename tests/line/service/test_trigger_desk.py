"""Every trigger is answered exactly once, whatever happens."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator

import pytest
from line.components.child import await_true

from res2clip_runtime.errors import InputError
from res2clip_runtime.inspection import error_verdict
from res2clip_runtime.service.ticket import Ticket
from res2clip_runtime.service.trigger_desk import TriggerDesk
from res2clip_runtime.verdict import Decision, Verdict


class Answers:
    def __init__(self) -> None:
        self.verdicts: list[Verdict] = []

    def __call__(self, verdict: Verdict, picture: object) -> None:
        self.verdicts.append(verdict)

    @property
    def ids(self) -> list[str | None]:
        return [verdict.trigger_id for verdict in self.verdicts]


@pytest.fixture
def answers() -> Answers:
    return Answers()


@pytest.fixture
def desk(answers: Answers) -> Iterator[TriggerDesk]:
    with TriggerDesk(answers, capacity=3) as desk:
        yield desk


def ticket(name: str, *, deadline_s: float = 30.0) -> Ticket:
    return Ticket(name, product="washer", cameras=["top"], deadline_s=deadline_s)


def good(name: str) -> Verdict:
    return Verdict(frame_id=name, product="washer", decision=Decision.OK, score=0.1, threshold=0.5)


def test_result_is_the_answer_and_carries_the_id(desk: TriggerDesk, answers: Answers) -> None:
    one = ticket("t1")
    assert desk.accept(one)
    assert desk.take(1) is one
    assert desk.answer(one, good("a.png"), None)
    assert [(v.trigger_id, v.decision) for v in answers.verdicts] == [("t1", Decision.OK)]


def test_second_result_for_a_trigger_is_not_delivered(desk: TriggerDesk, answers: Answers) -> None:
    one = ticket("t1")
    desk.accept(one)
    assert desk.answer(one, good("a.png"), None)
    assert not desk.answer(one, good("a.png"), None)
    assert answers.ids == ["t1"]


def test_deadline_is_answered_with_error_and_the_late_result_is_dropped(
    desk: TriggerDesk, answers: Answers
) -> None:
    one = ticket("t1", deadline_s=0.05)
    desk.accept(one)
    assert desk.take(1) is one
    await_true(lambda: answers.verdicts, "the deadline is answered")
    assert not desk.answer(one, good("a.png"), None)
    assert [v.decision for v in answers.verdicts] == [Decision.ERROR]
    assert "no result within the deadline of 50 ms" in answers.verdicts[0].reason
    assert desk.counts == (1, 1, 0)


def test_error_of_the_deadline_is_there_before_the_deadline(
    desk: TriggerDesk, answers: Answers
) -> None:
    one = ticket("t1", deadline_s=0.5)
    desk.accept(one)
    await_true(lambda: answers.verdicts, "the deadline is answered")
    assert time.monotonic() < one.until_s + 0.2


def test_full_queue_answers_at_once_and_the_others_are_kept(
    desk: TriggerDesk, answers: Answers
) -> None:
    names = ["t1", "t2", "t3", "t4"]
    taken = [desk.accept(ticket(name)) for name in names]
    assert taken == [True, True, True, False]
    assert answers.ids == ["t4"]
    assert "3 triggers wait already" in answers.verdicts[0].reason
    assert [desk.take(0).trigger_id for _ in range(3)] == ["t1", "t2", "t3"]


def test_id_that_waits_already_is_refused(desk: TriggerDesk) -> None:
    desk.accept(ticket("t1"))
    with pytest.raises(InputError, match="t1 waits for its answer already"):
        desk.accept(ticket("t1"))


def test_close_answers_what_waits_and_takes_no_more(desk: TriggerDesk, answers: Answers) -> None:
    in_hand, waiting = ticket("t1"), ticket("t2")
    desk.accept(in_hand)
    desk.accept(waiting)
    desk.take(1)
    desk.close()
    assert answers.ids == ["t1", "t2"]
    assert {v.decision for v in answers.verdicts} == {Decision.ERROR}
    with pytest.raises(InputError, match="stopping"):
        desk.accept(ticket("t3"))


def test_listener_may_trigger_again_from_within_an_answer() -> None:
    seen: list[str | None] = []

    def deliver(verdict: Verdict, picture: object) -> None:
        seen.append(verdict.trigger_id)
        if len(seen) < 3:
            desk.accept(ticket(f"again-{len(seen)}", deadline_s=0.02))

    with TriggerDesk(deliver, capacity=3) as desk:
        desk.accept(ticket("first", deadline_s=0.02))
        await_true(lambda: len(seen) == 3, "the chain of triggers is answered")
    assert seen == ["first", "again-1", "again-2"]


@pytest.mark.parametrize("seed", range(3))
def test_no_trigger_is_lost_doubled_or_out_of_order_in_a_storm(seed: int, answers: Answers) -> None:
    """Four threads trigger while the inspection is sometimes slower than the deadline."""
    accepted: list[str] = []
    lock = threading.Lock()
    ended = threading.Event()
    random_s = random.Random(seed)
    waits_s = [random_s.random() * 0.004 for _ in range(400)]

    with TriggerDesk(answers, capacity=3) as desk:

        def fire(which: int) -> None:
            for number in range(100):
                with lock:  # so that the order of acceptance is known
                    name = f"{which}-{number}"
                    if desk.accept(ticket(name, deadline_s=0.015)):
                        accepted.append(name)
                time.sleep(waits_s[which * 100 + number])

        def inspect() -> None:
            number = 0
            while not ended.is_set():
                if (one := desk.take(0.02)) is not None:
                    number += 1
                    time.sleep(0.02 if number % 7 == 0 else 0.001)
                    desk.answer(one, good(one.trigger_id), None)

        inspection = threading.Thread(target=inspect)
        inspection.start()
        threads = [threading.Thread(target=fire, args=(which,)) for which in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        await_true(lambda: desk.counts[2] == 0, "every trigger is answered")
        ended.set()
        inspection.join()

    assert sorted(map(str, answers.ids)) == sorted(f"{w}-{n}" for w in range(4) for n in range(100))
    kept = set(accepted)
    assert [name for name in answers.ids if name in kept] == accepted
    ok = {v.trigger_id for v in answers.verdicts if v.decision is Decision.OK}
    assert ok and ok <= kept


def test_error_verdicts_never_become_ok(desk: TriggerDesk, answers: Answers) -> None:
    one = ticket("t1")
    desk.accept(one)
    desk.answer(one, error_verdict("x", "washer", "broken"), None)
    assert answers.verdicts[0].decision is Decision.ERROR
