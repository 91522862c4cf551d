"""The state machine of jobs, without network or clock."""

from __future__ import annotations

import dataclasses
import math
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from line.components.opcua_commands import LEGAL

from res2clip_runtime.opcua.job import JobRequest, JobResult, Moment, ResultState
from res2clip_runtime.opcua.standing import Standing
from res2clip_runtime.opcua.vision_machine import (
    RESET_GRACE_S,
    Entered,
    Refusal,
    Trigger,
    VisionMachine,
    VisionState,
    Voided,
)
from res2clip_runtime.verdict import Decision, Verdict

S = VisionState
START = datetime(2026, 1, 1, tzinfo=timezone.utc)
READY = Standing(kind="ready", product="washer", recipe_id="a" * 16, cameras_ready=True)
FAULT = Standing(kind="fault", reason="camera top is lost", product="washer")
STARTING = Standing(kind="starting", reason="camera top is being opened", product="washer")
NO_PRODUCT = Standing(kind="no_product", reason="no product is chosen", cameras_ready=True)
MODEL = dataclasses.replace(FAULT, reason="the model failed", cameras_ready=True)


def at(seconds: float) -> Moment:
    return Moment(100 + seconds, START + timedelta(seconds=seconds))


def verdict(trigger_id: str | None = None, *, taken_s: float = 0.0, **changes) -> Verdict:
    moment = (START + timedelta(seconds=taken_s)).isoformat(timespec="milliseconds")
    values = {
        "frame_id": "1", "product": "washer", "decision": Decision.OK, "score": 0.2,
        "threshold": 0.5, "captured_at": moment, "decided_at": moment, "trigger_id": trigger_id,
    }  # fmt: skip
    return Verdict(**{**values, **changes})


def machine(*, triggers: bool = True, standing: Standing = READY) -> VisionMachine:
    it = VisionMachine(triggers=triggers, job_timeout_s=30, pause_s=0.5)
    it.note_standing(standing, at(0))
    return it


def results(it: VisionMachine) -> list[JobResult]:
    return [effect for effect in it.take_effects() if isinstance(effect, JobResult)]


def in_state(state: VisionState) -> VisionMachine:
    standings = {S.PREOPERATIONAL: STARTING, S.ERROR: FAULT}
    it = machine(standing=standings.get(state, READY))
    if state in (S.SINGLE_EXECUTION, S.CONTINUOUS_EXECUTION):
        it.start(JobRequest(), at(0), single=state is S.SINGLE_EXECUTION, owner="1")
    assert it.state is state
    it.take_effects()
    return it


COMMANDS = {
    "prepare": lambda it: it.may_prepare(),
    "single": lambda it: it.start(JobRequest(), at(1), single=True, owner="1"),
    "continuous": lambda it: it.start(JobRequest(), at(1), single=False, owner="1"),
    "stop": lambda it: it.stop(at(1)),
    "abort": lambda it: it.abort(at(1)),
    "reset": lambda it: it.reset(at(1)),
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("state", list(S))
def test_a_command_is_taken_or_refused_by_the_state_and_refused_changes_nothing(
    state: VisionState, command: str
) -> None:
    it = in_state(state)
    before = (it.state, it.reason, it.job)
    refused = COMMANDS[command](it) is Refusal.INVALID_STATE
    assert refused == (command not in LEGAL[state])
    if refused:
        assert (it.state, it.reason, it.job) == before
        assert it.take_effects() == []


def test_a_single_job_triggers_once_and_its_answer_is_its_result() -> None:
    it = machine()
    it.take_effects()
    job_id = it.start(JobRequest(meas_id="m", part_id="p"), at(1), single=True, owner="1")
    assert it.take_effects() == [
        Voided(),
        Entered(S.READY, S.SINGLE_EXECUTION, ""),
        Trigger(str(job_id)),
    ]
    it.take(verdict("of another", decision=Decision.OK), at(1.1))
    assert it.take_effects() == []
    it.take(verdict(str(job_id), decision=Decision.NG, score=0.7), at(1.2))
    result, entered = it.take_effects()
    assert isinstance(result, JobResult) and entered == Entered(S.SINGLE_EXECUTION, S.READY, "")
    assert (result.decision, result.score, result.threshold) == (Decision.NG, 0.7, 0.5)
    assert (result.state, result.fault) == (ResultState.COMPLETED, "")
    assert (result.job.request.meas_id, result.job.request.part_id) == ("m", "p")


def test_a_continuous_job_triggers_again_after_the_pause_and_stop_waits_for_the_part() -> None:
    it = machine()
    it.start(JobRequest(), at(0), single=False, owner="1")
    for turn in range(3):
        trigger = it.take_effects()[-1]
        assert isinstance(trigger, Trigger)
        it.take(verdict(trigger.trigger_id), at(turn + 0.1))
        assert len(results(it)) == 1
        it.tick(at(turn + 0.2))
        assert it.take_effects() == []  # the pause
        it.tick(at(turn + 0.7))
    trigger = it.take_effects()[-1]
    assert it.stop(at(3)) is None
    assert it.state is S.CONTINUOUS_EXECUTION
    it.take(verdict(trigger.trigger_id), at(3.1))
    assert [r.decision for r in results(it)] == [Decision.OK]
    assert it.state is S.READY


def test_in_free_run_only_a_picture_taken_after_the_start_is_a_result() -> None:
    it = machine(triggers=False)
    it.start(JobRequest(), at(1.0004), single=True, owner="1")
    assert not any(isinstance(effect, Trigger) for effect in it.take_effects())
    for taken_s in (0.2, 0.999, 1.0):  # 1.000 may have been 1.0001
        it.take(verdict(taken_s=taken_s), at(1.1))
    it.take(verdict(captured_at="yesterday"), at(1.1))
    it.take(verdict(captured_at="2026-01-01T00:00:09"), at(1.1))  # of which zone?
    assert it.take_effects() == []
    it.take(verdict(taken_s=1.001), at(1.2))
    assert [r.decision for r in results(it)] == [Decision.OK]


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"product": "nut"}, "inspected as 'nut', expected 'washer'"),
        ({"decision": Decision.ERROR, "reason": "no picture"}, "no picture"),
        ({"decision": Decision.ERROR}, "ERROR"),
        ({"score": math.nan}, "not finite"),
        ({"score": math.inf}, "not finite"),
    ],
)
def test_what_is_no_sound_answer_is_never_ok(changes: dict[str, object], fault: str) -> None:
    it = machine()
    job_id = it.start(JobRequest(), at(0), single=True, owner="1")
    it.take(verdict(str(job_id), **changes), at(1))
    (result,) = results(it)
    assert (result.decision, result.state) == (Decision.ERROR, ResultState.FAILED)
    assert fault in result.fault


@pytest.mark.parametrize("kind", ["product_id", "recipe_id"])
def test_a_job_for_another_recipe_than_the_prepared_one_is_refused(kind: str) -> None:
    it = machine()
    request = JobRequest(**{kind: "another"})
    assert it.start(request, at(0), single=True, owner="1") is Refusal.NO_MATCH
    assert it.state is S.READY
    same = JobRequest(product_id="washer", recipe_id="a" * 16)
    assert isinstance(it.start(same, at(0), single=True, owner="1"), str)


def end_by_fault(it: VisionMachine) -> None:
    it.note_standing(FAULT, at(1))


def end_by_time(it: VisionMachine) -> None:
    it.tick(at(30.5))


def end_by_refusal(it: VisionMachine) -> None:
    it.refused(it.job.pending, "the line is stopping", at(1))  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("end", "state", "fault", "then"),
    [
        (lambda it: it.abort(at(1)), ResultState.ABORTED, "aborted", S.READY),
        (lambda it: it.owner_gone("1", at(1)), ResultState.ABORTED, "has gone", S.READY),
        (end_by_time, ResultState.FAILED, "no result within 30 s", S.READY),
        (end_by_refusal, ResultState.FAILED, "the line is stopping", S.READY),
        (end_by_fault, ResultState.FAILED, "camera top is lost", S.ERROR),
        (lambda it: it.note_standing(NO_PRODUCT, at(1)), ResultState.FAILED, "no product",
         S.PREOPERATIONAL),
    ],
)  # fmt: skip
@pytest.mark.parametrize("single", [True, False])
def test_a_part_that_is_not_answered_has_one_result_that_says_why(
    end, state: ResultState, fault: str, then: VisionState, single: bool
) -> None:
    it = machine()
    it.start(JobRequest(), at(0), single=single, owner="1")
    pending = it.job.pending  # type: ignore[union-attr]
    it.take_effects()
    end(it)
    (result,) = results(it)
    assert (result.decision, result.state) == (Decision.ERROR, state)
    assert fault in result.fault
    assert it.state is then
    it.take(verdict(pending), at(31))  # too late
    assert results(it) == []


def test_another_session_that_ends_does_not_end_the_job() -> None:
    it = machine()
    it.start(JobRequest(), at(0), single=True, owner="1")
    it.owner_gone("2", at(1))
    assert it.state is S.SINGLE_EXECUTION


def test_error_stays_until_reset_and_the_reason_with_it() -> None:
    it = machine()
    it.note_standing(FAULT, at(1))
    assert (it.state, it.reason) == (S.ERROR, "camera top is lost")
    it.take_effects()
    for second, standing in enumerate((MODEL, STARTING, NO_PRODUCT, READY), 2):
        it.note_standing(standing, at(second))
        assert (it.state, it.reason) == (S.ERROR, "camera top is lost")
    assert it.take_effects() == []
    assert it.reset(at(9)) is None
    assert (it.state, it.reason) == (S.READY, "")


def test_reset_under_a_fault_is_an_error_again_after_a_while() -> None:
    it = machine(standing=FAULT)
    it.reset(at(1))
    assert it.state is S.PREOPERATIONAL
    it.note_standing(FAULT, at(1 + RESET_GRACE_S - 0.1))
    assert it.state is S.PREOPERATIONAL
    it.note_standing(FAULT, at(1 + RESET_GRACE_S + 0.1))
    assert it.state is S.ERROR


def test_reset_lets_a_model_that_failed_show_that_it_answers_again() -> None:
    it = machine(standing=MODEL)
    it.take_effects()
    it.reset(at(1))
    (trigger,) = [e for e in it.take_effects() if isinstance(e, Trigger)]
    it.take(verdict(trigger.trigger_id), at(1.2))
    assert results(it) == []  # nobody's
    it.note_standing(READY, at(1.3))
    assert it.state is S.READY


class AnyOrder(RuleBasedStateMachine):
    """Whatever comes in whatever order: OK is only what was asked for and is sound."""

    def __init__(self) -> None:
        super().__init__()
        self.s = 0.0
        self.it = VisionMachine(triggers=True, job_timeout_s=5, pause_s=0.2)
        self.asked: list[str] = []
        self.open: dict[str, bool] = {}
        self.ended: set[str] = set()
        self.given: Verdict | None = None

    def now(self) -> Moment:
        self.s += 0.05
        return at(self.s)

    @invariant()
    def effects_are_sound(self) -> None:
        for effect in self.it.take_effects():
            if isinstance(effect, Trigger):
                assert effect.trigger_id not in self.asked
                self.asked.append(effect.trigger_id)
            elif isinstance(effect, JobResult):
                self.check_result(effect)
            elif isinstance(effect, Entered):
                assert effect.before is not effect.state
        executing = self.it.state in (S.SINGLE_EXECUTION, S.CONTINUOUS_EXECUTION)
        assert (self.it.job is not None) == executing
        for job_id, single in self.open.items():
            running = self.it.job is not None and self.it.job.job_id == job_id
            assert not single or running or job_id in self.ended  # exactly one result each
        self.given = None

    def check_result(self, result: JobResult) -> None:
        job = result.job
        assert not job.single or job.job_id not in self.ended
        self.ended.add(job.job_id)
        if result.decision is Decision.ERROR:
            assert result.fault
            return
        given = self.given
        assert given is not None and given.trigger_id in self.asked
        assert given.trigger_id == job.pending
        assert (given.decision, given.product) == (result.decision, job.product)
        assert math.isfinite(given.score)

    @rule(standing=st.sampled_from([READY, READY, READY, FAULT, STARTING, NO_PRODUCT, MODEL]))
    def health(self, standing: Standing) -> None:
        self.it.note_standing(standing, self.now())

    @rule(single=st.booleans(), owner=st.sampled_from("12"), product=st.sampled_from(
        ["", "washer", "nut"]))  # fmt: skip
    def start(self, single: bool, owner: str, product: str) -> None:
        job = self.it.start(JobRequest(product_id=product), self.now(), single=single, owner=owner)
        if isinstance(job, str):
            self.open[job] = single

    @rule(command=st.sampled_from(["stop", "abort", "reset"]))
    def command(self, command: str) -> None:
        getattr(self.it, command)(self.now())

    @precondition(lambda self: self.asked)
    @rule(
        data=st.data(),
        decision=st.sampled_from(list(Decision)),
        score=st.sampled_from([0.1, 0.9, math.nan]),
        product=st.sampled_from(["washer", "washer", "nut"]),
    )
    def answer(self, data: st.DataObject, decision: Decision, score: float, product: str) -> None:
        trigger_id = data.draw(st.sampled_from([*self.asked[-3:], "of another"]))
        self.given = verdict(trigger_id, decision=decision, score=score, product=product)
        self.it.take(self.given, self.now())

    @rule(owner=st.sampled_from("12"))
    def gone(self, owner: str) -> None:
        self.it.owner_gone(owner, self.now())

    @rule(later_s=st.sampled_from([0.1, 0.3, 6.0]))
    def time_goes_by(self, later_s: float) -> None:
        self.s += later_s
        self.it.tick(self.now())

    @precondition(lambda self: self.asked)
    @rule()
    def refuse(self) -> None:
        self.it.refused(self.asked[-1], "the line is stopping", self.now())


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
