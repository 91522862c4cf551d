"""What all requests share."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from starlette.requests import Request

from res2clip_runtime.errors import BackendError, OutputError
from res2clip_runtime.service.control import LineControl
from res2clip_runtime.service.health import LineHealth
from res2clip_runtime.sinks.metrics_figures import MetricsFigures
from res2clip_runtime.web.access import Access, Visitor, address_of
from res2clip_runtime.web.audit_log import AuditLog
from res2clip_runtime.web.config import WebConfig
from res2clip_runtime.web.events import Events
from res2clip_runtime.web.feedback_store import FeedbackStore
from res2clip_runtime.web.live_pictures import LivePictures
from res2clip_runtime.web.ng_shelf import NgShelf
from res2clip_runtime.web.parts_history import PartsHistory
from res2clip_runtime.web.recent_pictures import RecentPictures
from res2clip_runtime.web.static_files import StaticFile
from res2clip_runtime.web.streams import Streams
from res2clip_runtime.web.teaching_tray import TeachingTray
from res2clip_runtime.web.trigger_answers import TriggerAnswers
from res2clip_runtime.web.work_threads import WorkThreads

__all__ = ["Call", "State"]

logger = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(slots=True, kw_only=True, eq=False)
class State:
    """Everything behind the routes; lives on the server's loop."""

    config: WebConfig
    control: LineControl
    access: Access
    audit: AuditLog
    parts: PartsHistory
    recent: RecentPictures
    live: LivePictures
    events: Events
    answers: TriggerAnswers
    streams: Streams
    static: dict[str, StaticFile]
    tray: TeachingTray
    ng: NgShelf
    feedback: FeedbackStore
    figures: MetricsFigures
    work: WorkThreads
    """For what takes time: disks, passwords, the model."""
    teaching: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held by who teaches: one at a time."""
    logging_in: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(2))
    """Held by who logs in: checking a password takes a core and 32 MB."""
    uploads: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(2))
    """Held by who sends a picture."""
    ending: bool = False
    """Whether the server is about to end."""
    _shown: tuple[str, str] = field(default=("", ""))

    async def run(self, call: Callable[..., T], *args: Any) -> T:
        """Return what a call that takes time returns, without holding up other requests."""
        return await asyncio.get_running_loop().run_in_executor(self.work, call, *args)

    def notice_product(self, health: LineHealth | None = None) -> None:
        """Tell everybody if another product, or another version of it, is inspected now."""
        health = health or self.control.health()
        now = (health.product, health.recipe_id)
        if now != self._shown:
            changed = "product" if now[0] != self._shown[0] else "recipes"
            self._shown = now
            self.changed(changed, product=now[0], recipe_id=now[1])

    def progress(self, product: str, done: int, total: int) -> None:
        """Tell everybody how far a teaching is; on any thread.

        Raises:
            BackendError: the server ends, so the teaching does.
        """
        if self.ending:
            raise BackendError("the page is stopping; teach again when it runs")
        values = {"product": product, "done": done, "total": total}
        self.events.publish("teaching", lambda: values)

    def changed(self, what: str, **details: Any) -> None:
        """Tell everybody that something is not as it was."""
        self.events.publish("changed", lambda: {"what": what, **details})

    def health_values(self, health: LineHealth | None = None) -> dict[str, Any]:
        """Return the line's health as JSON values."""
        return dataclasses.asdict(health or self.control.health())


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """One request, let in."""

    request: Request
    state: State
    visitor: Visitor | None
    """Who it is from; None only where nobody need be known."""

    @property
    def who(self) -> Visitor:
        """Who it is from, where somebody must be known."""
        assert self.visitor is not None
        return self.visitor

    def audit(self, what: str, **details: Any) -> None:
        """Write down what this request is about to change; waits for the disk.

        Raises:
            OutputError: it cannot be written, so nothing must change.
        """
        who = self.who
        self.state.audit.record(
            who=who.user.name, role=who.user.role, address=who.address, what=what, **details
        )

    def audit_login(self, name: str, succeeded: bool) -> None:
        """Write down that somebody has logged in as ``name``, or has failed to."""
        try:
            self.state.audit.record(
                who=name,
                role=self.visitor.user.role if self.visitor else "",
                address=address_of(self.request),
                what="login" if succeeded else "login failed",
            )
        except OutputError as err:
            logger.error("a login of %r is not in the audit log: %s", name, err)

    def try_audit(self, what: str, **details: Any) -> None:
        """Write down what must be possible also when the disk is full; then the log has it."""
        try:
            self.audit(what, **details)
        except OutputError as err:
            logger.error("%s by %s (%s) is not in the audit log: %s",
                         what, self.who.user.name, details, err)  # fmt: skip
