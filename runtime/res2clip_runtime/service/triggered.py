"""Triggered run: one part for every trigger, and one answer."""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Callable, Mapping

from res2clip_runtime.errors import InputError
from res2clip_runtime.inspection import utc_now
from res2clip_runtime.service.camera_plan import CameraPlan
from res2clip_runtime.service.capture import Capture
from res2clip_runtime.service.outlet import Outlet
from res2clip_runtime.service.part_inspection import PartInspection
from res2clip_runtime.service.recipe_book import RecipeBook
from res2clip_runtime.service.settings import LineSettings
from res2clip_runtime.service.ticket import Ticket
from res2clip_runtime.service.trigger_desk import TriggerDesk
from res2clip_runtime.service.wired_parts import WiredParts
from res2clip_runtime.sources import Frame, Source

__all__ = ["Triggered"]

logger = logging.getLogger(__name__)


class Triggered:
    """Asks every camera for its picture at the moment of the trigger, whatever waits before it."""

    def __init__(
        self,
        settings: LineSettings,
        captures: Mapping[str, Capture],
        *,
        inspection: PartInspection,
        recipes: RecipeBook,
        outlet: Outlet,
        beat: Callable[[], None],
    ) -> None:
        """Serve triggers with the cameras of ``captures``, which may be filled later."""
        self._settings = settings
        self._captures = captures
        self._inspection = inspection
        self._recipes = recipes
        self._outlet = outlet
        self._beat = beat
        self.desk = TriggerDesk(outlet.deliver, capacity=settings.trigger_queue)
        self._numbers = itertools.count(1)
        # The start keeps ids of this run apart from those of another.
        self._prefix = "trigger-" + utc_now()[:19].replace(":", "").replace("-", "")
        self._wired = WiredParts(settings)
        self._lock = threading.Lock()

    def trigger(self, trigger_id: str | None = None) -> str:
        """Take pictures now; see :class:`LineControl`."""
        if any(_by_input(capture.plan) for capture in self._captures.values()):
            raise InputError(
                "a camera of this line is triggered by its own input; "
                'set its trigger = "software" to trigger it from here'
            )
        ticket = self._ticket(trigger_id)
        if self.desk.accept(ticket):
            for capture in self._captures.values():
                capture.request(ticket)
        return ticket.trigger_id

    def on_demand(self, plan: CameraPlan, source: Source) -> bool:
        """Return whether the source is read for tickets only; see :class:`Feed`."""
        if source.waits and not source.live:
            raise InputError(
                f"camera {plan.name} is a watched folder, whose pictures are of no trigger's "
                'moment; set mode = "free"'
            )
        return plan.trigger == "software" or not source.live

    def take(self, frame: Frame, capture: Capture) -> None:
        """Give a picture to the triggers before it, or take it as one; see :class:`Feed`."""
        if _by_input(capture.plan):
            self._take_input(frame, capture)
        else:
            capture.serve(frame)

    def dropped(self, camera: str) -> int:
        """Return 0: pictures that no trigger asked for are not missed."""
        return 0

    def turn(self, timeout_s: float) -> None:
        """Inspect the part of the ticket that is next, if one comes in time."""
        ticket = self.desk.take(timeout_s)
        if ticket is None:
            return
        try:
            self._serve(ticket)
        except Exception as err:  # whatever it is, the trigger has its answer
            logger.exception("a defect of res2clip, please report it: %s", ticket.trigger_id)
            self.desk.error(ticket, f"{type(err).__name__}: {err}")

    def nudge(self) -> None:
        """End the waiting of this turn, or of the next."""
        self.desk.nudge()

    def drained(self) -> bool:
        """Return whether every trigger has its answer."""
        return self.desk.counts[2] == 0

    def finish(self) -> None:
        """Do nothing: every trigger has its answer."""

    def _serve(self, ticket: Ticket) -> None:
        views = None
        while views is None and not ticket.closed and not ticket.failure:
            self._beat()
            left_s = ticket.until_s - time.monotonic()
            views = ticket.wait_for_pictures(min(max(left_s, 0.0), 0.25))
        if views is None:
            self.desk.error(ticket, ticket.failure or "no picture came")
            return
        began_ns = time.perf_counter_ns()
        done = self._inspection.inspect(
            views, ticket.product, part_id=ticket.trigger_id, wanted=lambda: not ticket.closed
        )
        if not self.desk.answer(ticket, done.verdict, done.picture):
            logger.warning("trigger %s: its result came after the deadline", ticket.trigger_id)
        took_ms = (time.perf_counter_ns() - began_ns) / 1e6
        self._outlet.figures.add_part(done.verdict, took_ms=took_ms)

    def _take_input(self, frame: Frame, capture: Capture) -> None:
        """Take a picture of a camera that was triggered by its input: the picture is the trigger.

        The first picture of a part opens the ticket; the others, of this camera and of those on
        the same wire, join it.
        """
        at_s = frame.captured_monotonic_s
        with self._lock:
            part, new = self._wired.assign(
                capture.name, at_s, lambda: self._wired_ticket(capture.name, at_s)
            )
            ticket = part.ticket
            if new and not self.desk.accept(ticket):
                return
            if not ticket.failure:
                ticket.deliver(capture.name, frame)
        if new:
            for other in self._captures.values():
                if not _by_input(other.plan) and ticket.wants(other.name):
                    other.request(ticket)

    def _wired_ticket(self, camera: str, at_s: float) -> tuple[Ticket, tuple[str, ...]]:
        """Return a ticket for a part that ``camera`` saw first, and its cameras on wires."""
        ticket = self._ticket(None, at_s=at_s, of=camera)
        wired = [c.name for c in self._captures.values() if _by_input(c.plan)]
        return ticket, (camera,) if self._settings.part == "picture" else tuple(wired)

    def _ticket(
        self, trigger_id: str | None, *, at_s: float | None = None, of: str | None = None
    ) -> Ticket:
        alone = of is not None and self._settings.part == "picture"
        return Ticket(
            trigger_id or f"{self._prefix}-{next(self._numbers):06d}",
            product=self._recipes.product,
            cameras=(of,) if alone and of else tuple(self._captures),
            pictures=self._settings.pictures_per_part,
            at_s=at_s,
            deadline_s=self._settings.deadline_ms / 1000,
        )


def _by_input(plan: CameraPlan) -> bool:
    return plan.trigger.startswith("line")
