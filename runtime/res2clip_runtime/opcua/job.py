"""A job that a client starts, and what comes of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum

from res2clip_runtime.verdict import Decision, Verdict

__all__ = ["Job", "JobRequest", "JobResult", "Moment", "ResultState", "failed", "result_of"]


class ResultState(IntEnum):
    """How a result came about; numbers as in OPC 40100-1."""

    COMPLETED = 1
    ABORTED = 3
    FAILED = 4


@dataclass(frozen=True, slots=True)
class Moment:
    """Now, on both clocks."""

    s: float
    """Of ``time.monotonic``."""
    at: datetime
    """In UTC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRequest:
    """What a client says of a job; empty texts say nothing."""

    meas_id: str = ""
    """Of the measurement; comes back with the result."""
    part_id: str = ""
    """Of the part; comes back with the result."""
    recipe_id: str = ""
    """The recipe it must be inspected with."""
    product_id: str = ""
    """The product it must be inspected as."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One that runs."""

    job_id: str
    """Of our own making, in no other run."""
    single: bool
    """One result and no more."""
    owner: str
    """The session that started it; it ends with that."""
    request: JobRequest
    """What the client said."""
    product: str
    """What was chosen when it began; a result of another product is void."""
    recipe_id: str
    """The same of the recipe."""
    began: Moment
    """When it was started."""
    pending: str = ""
    """The trigger whose answer it waits for."""
    pending_since_s: float = 0.0
    """When that was given."""
    triggers: int = 0
    """Given so far."""
    stopping: bool = False
    """It ends with the answer it waits for."""

    def began_by(self, verdict: Verdict) -> bool:
        """Return whether it had begun when the picture of ``verdict`` was taken.

        Its times are cut to milliseconds, so the start is rounded up. Where there is no picture
        the time of the decision counts: it can only be an ERROR.
        """
        text = verdict.decided_at if verdict.decision is Decision.ERROR else verdict.captured_at
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            return False
        if moment.tzinfo is None:
            return False
        return moment >= _next_millisecond(self.began.at)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobResult:
    """What a client is told of a part."""

    job: Job
    """Of which it is a result."""
    result_id: str
    """Unlike that of any other result."""
    state: ResultState
    """``COMPLETED`` only where the line answered OK or NG."""
    decision: Decision
    """OK only for a real inspection of this job's part."""
    created_at: datetime
    """In UTC."""
    fault: str = ""
    """Why the decision is ERROR; empty otherwise."""
    verdict: Verdict | None = None
    """The line's answer, without its map; None where there is none."""

    @property
    def score(self) -> float:
        """Image score; NaN where there is none."""
        return self.verdict.score if self.verdict is not None else math.nan

    @property
    def threshold(self) -> float:
        """Highest score that is OK; NaN where there is none."""
        known = self.verdict is not None and self.verdict.threshold is not None
        return float(self.verdict.threshold) if known else math.nan  # type: ignore[union-attr,arg-type]


def result_of(job: Job, verdict: Verdict, result_id: str, at: datetime) -> JobResult:
    """Return the result of ``job`` that the line's answer means."""
    fault = verdict.reason
    if verdict.product != job.product:
        fault = f"inspected as '{verdict.product}', expected '{job.product}'"
    elif verdict.decision is Decision.ERROR:
        fault = fault or "the inspection answered ERROR"
    elif not math.isfinite(verdict.score):
        fault = "the score is not finite"
    else:
        fault = ""
    return JobResult(
        job=job,
        result_id=result_id,
        state=ResultState.FAILED if fault else ResultState.COMPLETED,
        decision=Decision.ERROR if fault else verdict.decision,
        created_at=at,
        fault=fault,
        verdict=verdict,
    )


def failed(job: Job, state: ResultState, fault: str, result_id: str, at: datetime) -> JobResult:
    """Return the result of a part that was never answered."""
    return JobResult(
        job=job,
        result_id=result_id,
        state=state,
        decision=Decision.ERROR,
        created_at=at,
        fault=fault,
    )


def _next_millisecond(moment: datetime) -> datetime:
    cut = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    return cut if cut == moment else cut + timedelta(milliseconds=1)
