"""The state machine of jobs, without network or clock.

Fail-safe: OK comes only from a real inspection that this job asked for, or whose picture was taken
after it began, of the product that was chosen then. A job that ends in any other way has one
result that says ERROR and why. A command that the state does not allow changes nothing.
"""

from __future__ import annotations

import dataclasses
import itertools
import secrets
from dataclasses import dataclass
from enum import Enum, IntEnum

from res2clip_runtime.opcua.job import (
    Job,
    JobRequest,
    JobResult,
    Moment,
    ResultState,
    failed,
    result_of,
)
from res2clip_runtime.opcua.standing import SILENT, Standing
from res2clip_runtime.verdict import Verdict

__all__ = ["Effect", "Entered", "Refusal", "Trigger", "VisionMachine", "VisionState", "Voided"]

RESET_GRACE_S = 3.0
"""A fault that still stands so long after Reset is an error again."""


class VisionState(IntEnum):
    """The states; names as in OPC 40100-1, numbers our own."""

    PREOPERATIONAL = 1
    READY = 2
    SINGLE_EXECUTION = 3
    CONTINUOUS_EXECUTION = 4
    ERROR = 5

    @property
    def title(self) -> str:
        """As clients see it: ``SingleExecution``."""
        return self.name.title().replace("_", "")


class Refusal(Enum):
    """Why a command is refused."""

    INVALID_STATE = "the state does not allow it"
    NO_MATCH = "another recipe or product is prepared"


@dataclass(frozen=True, slots=True)
class Trigger:
    """Ask the line for an inspection."""

    trigger_id: str


@dataclass(frozen=True, slots=True)
class Voided:
    """The result before is no result any more."""


@dataclass(frozen=True, slots=True)
class Entered:
    """Another state was entered."""

    before: VisionState
    state: VisionState
    reason: str


Effect = Trigger | Voided | Entered | JobResult
_EXECUTING = (VisionState.SINGLE_EXECUTION, VisionState.CONTINUOUS_EXECUTION)


class VisionMachine:
    """What clients have asked, what the line has answered, and what follows.

    Every method may leave effects; they are carried out in order (:meth:`take_effects`).
    """

    def __init__(self, *, triggers: bool, job_timeout_s: float, pause_s: float) -> None:
        """Begin without having heard of the line.

        Args:
            triggers: jobs trigger the line; otherwise they take what it inspects anyway.
            job_timeout_s: longest wait for an answer.
            pause_s: between an answer and the next trigger of a continuous job.
        """
        self._triggers = triggers
        self._timeout_s = job_timeout_s
        self._pause_s = pause_s
        self._effects: list[Effect] = []
        self._due_s = 0.0
        self._grace_until_s = 0.0
        self._standing = SILENT
        self._numbers = itertools.count(1)
        # Makes ids differ from those of the run before, in whose records they stand as well.
        self._own = f"opcua-{secrets.token_hex(3)}"
        self.state = VisionState.PREOPERATIONAL
        self.reason = "the line is starting"
        self.job: Job | None = None

    def take_effects(self) -> list[Effect]:
        """Return what is to be done since the last call, in order."""
        effects, self._effects = self._effects, []
        return effects

    def note_standing(self, standing: Standing, now: Moment) -> None:
        """Take how the line is; a job does not outlive its readiness."""
        self._standing = standing
        if self.state is VisionState.ERROR:
            return
        if standing.kind == "ready":
            if self.state is VisionState.PREOPERATIONAL:
                self._enter(VisionState.READY)
        elif standing.kind == "fault":
            waits = self.state is VisionState.PREOPERATIONAL and now.s < self._grace_until_s
            if not waits:
                self._void()
                self._end_job(ResultState.FAILED, standing.reason, now)
                self._enter(VisionState.ERROR, standing.reason)
        else:
            self._end_job(ResultState.FAILED, standing.reason, now)
            self._enter(VisionState.PREOPERATIONAL, standing.reason)

    def may_prepare(self) -> Refusal | None:
        """Return why another recipe cannot be prepared now, or None."""
        allowed = (VisionState.PREOPERATIONAL, VisionState.READY)
        return None if self.state in allowed else Refusal.INVALID_STATE

    def prepared(self) -> None:
        """Note that another recipe was prepared: the result before is of another product."""
        self._void()

    def start(self, request: JobRequest, now: Moment, *, single: bool, owner: str) -> str | Refusal:
        """Begin a job for the session ``owner`` and return its id."""
        if self.state is not VisionState.READY:
            return Refusal.INVALID_STATE
        standing = self._standing
        if request.product_id not in ("", standing.product):
            return Refusal.NO_MATCH
        if request.recipe_id not in ("", standing.recipe_id):
            return Refusal.NO_MATCH
        self._void()
        self.job = Job(
            job_id=f"{self._own}-{next(self._numbers)}",
            single=single,
            owner=owner,
            request=request,
            product=standing.product,
            recipe_id=standing.recipe_id,
            began=now,
        )
        self._enter(VisionState.SINGLE_EXECUTION if single else VisionState.CONTINUOUS_EXECUTION)
        job_id = self.job.job_id
        if self._triggers:
            self._trigger(self.job, now)
        return job_id

    def stop(self, now: Moment) -> Refusal | None:
        """End the job with the part in hand; without one, now."""
        if self.job is None:
            return Refusal.INVALID_STATE
        if self.job.pending:
            self.job = dataclasses.replace(self.job, stopping=True)
        else:
            self._finish(ResultState.ABORTED, "stopped before a part came", now)
        return None

    def abort(self, now: Moment) -> Refusal | None:
        """End the job now; what the line answers later is void."""
        if self.job is None:
            return Refusal.INVALID_STATE
        self._finish(ResultState.ABORTED, "aborted", now)
        return None

    def reset(self, now: Moment) -> Refusal | None:
        """Leave Error, or give up the result in Ready; ready again as soon as the line is.

        A fault that only an inspection can end (the model failed) is given one: its answer stands
        in the line's records and is nobody's result.
        """
        if self.state not in (VisionState.ERROR, VisionState.READY):
            return Refusal.INVALID_STATE
        standing = self._standing
        self._void()
        self._grace_until_s = now.s + RESET_GRACE_S
        self._enter(VisionState.PREOPERATIONAL, standing.reason)
        if standing.kind == "fault" and standing.cameras_ready and self._triggers:
            self._effects.append(Trigger(f"{self._own}-reset-{next(self._numbers)}"))
        self.note_standing(standing, now)
        return None

    def take(self, verdict: Verdict, now: Moment) -> None:
        """Take an answer of the line; one that no job waits for is nobody's result."""
        job = self.job
        if job is None:
            return
        if self._triggers:
            if not job.pending or verdict.trigger_id != job.pending:
                return
        elif not job.began_by(verdict):
            return
        self._effects.append(result_of(job, verdict, self._result_id(job), now.at))
        self._answered(job, now)

    def refused(self, trigger_id: str, reason: str, now: Moment) -> None:
        """Note that the line took no trigger: the job cannot go on."""
        if self.job is not None and self.job.pending == trigger_id:
            self._finish(ResultState.FAILED, reason, now)

    def owner_gone(self, owner: str, now: Moment) -> None:
        """End the job of a session that has ended: nobody would stop it."""
        if self.job is not None and self.job.owner == owner:
            self._finish(ResultState.ABORTED, "the client that started the job has gone", now)

    def tick(self, now: Moment) -> None:
        """Do what is due by the clock."""
        job = self.job
        if job is None:
            return
        since_s = job.pending_since_s if job.pending else job.began.s
        waits = bool(job.pending) or job.single
        if waits and now.s - since_s > self._timeout_s:
            fault = f"no result within {self._timeout_s:g} s"
            self._finish(ResultState.FAILED, fault, now)
        elif self._triggers and not job.pending and now.s >= self._due_s:
            self._trigger(job, now)

    def _answered(self, job: Job, now: Moment) -> None:
        if job.single or job.stopping:
            self.job = None
            self._enter(VisionState.READY)
        else:
            self.job = dataclasses.replace(job, pending="")
            self._due_s = now.s + self._pause_s

    def _trigger(self, job: Job, now: Moment) -> None:
        number = job.triggers + 1
        trigger_id = job.job_id if job.single else f"{job.job_id}-{number}"
        self.job = dataclasses.replace(
            job, pending=trigger_id, pending_since_s=now.s, triggers=number
        )
        self._effects.append(Trigger(trigger_id))

    def _finish(self, state: ResultState, fault: str, now: Moment) -> None:
        self._end_job(state, fault, now)
        self._enter(VisionState.READY)

    def _end_job(self, state: ResultState, fault: str, now: Moment) -> None:
        """End the job; a part that was promised a result has one that says ERROR."""
        job, self.job = self.job, None
        if job is not None and (job.single or job.pending):
            self._effects.append(failed(job, state, fault, self._result_id(job), now.at))

    def _void(self) -> None:
        self._effects.append(Voided())

    def _enter(self, state: VisionState, reason: str = "") -> None:
        before, self.state, self.reason = self.state, state, reason
        if before is not state:
            self._effects.append(Entered(before, state, reason))

    def _result_id(self, job: Job) -> str:
        return f"{job.job_id}-result-{next(self._numbers)}"
