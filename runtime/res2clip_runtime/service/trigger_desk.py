"""Triggers in order, each answered exactly once: by its result or, at its deadline, by ERROR."""

from __future__ import annotations

import dataclasses
import logging
import math
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import TypeAlias

from res2clip_runtime.closable import Closable
from res2clip_runtime.errors import InputError
from res2clip_runtime.inspection import error_verdict
from res2clip_runtime.preprocess import PictureU8
from res2clip_runtime.service.ticket import Ticket
from res2clip_runtime.verdict import Verdict

__all__ = ["Deliver", "TriggerDesk"]

logger = logging.getLogger(__name__)

Deliver: TypeAlias = "Callable[[Verdict, PictureU8 | None], None]"
"""Takes an answer and its (H, W, 3) uint8 RGB picture; quick, never raises."""

_MARGIN_S = 0.01
"""An ERROR leaves so long before the deadline, so that it arrives before it."""


class TriggerDesk(Closable):
    """A bounded queue of tickets and the only place where they are answered.

    Accepted tickets are answered in order. One for which the queue has no place is answered at
    once, ahead of those that wait: its part must not be let through meanwhile.
    """

    def __init__(self, deliver: Deliver, *, capacity: int) -> None:
        """Answer through ``deliver``; let ``capacity`` tickets wait, beside the one in hand."""
        self._deliver = deliver
        self._capacity = capacity
        self._waiting: deque[Ticket] = deque()
        self._open: OrderedDict[str, Ticket] = OrderedDict()
        self._triggers = 0
        self._late = 0
        self._closed = False
        self._nudged = False
        # Held while an answer is delivered: answers leave in the order they are decided. A
        # listener may trigger again from within, hence reentrant.
        self._changed = threading.Condition(threading.RLock())
        self._clock = threading.Thread(target=self._watch, name="deadlines", daemon=True)
        self._clock.start()

    @property
    def counts(self) -> tuple[int, int, int]:
        """Triggers so far, those answered late, those without an answer yet."""
        with self._changed:
            return self._triggers, self._late, len(self._open)

    def accept(self, ticket: Ticket) -> bool:
        """Queue a ticket; False if the queue is full, and then the ticket is answered already.

        Raises:
            InputError: a ticket of this id waits already, or the line is stopping.
        """
        with self._changed:
            if self._closed:
                raise InputError(f"trigger {ticket.trigger_id}: the line is stopping; start it")
            if ticket.trigger_id in self._open:
                raise InputError(
                    f"trigger {ticket.trigger_id} waits for its answer already; "
                    "give each trigger an id of its own"
                )
            self._triggers += 1
            self._open[ticket.trigger_id] = ticket
            if len(self._waiting) >= self._capacity:
                self._refuse(
                    ticket,
                    f"{self._capacity} triggers wait already; trigger less often, use a faster "
                    "model or device, or raise trigger_queue and deadline_ms",
                )
                return False
            self._waiting.append(ticket)
            self._changed.notify_all()
            return True

    def take(self, timeout_s: float) -> Ticket | None:
        """Return the ticket that is next, or None if none came in time, or after a nudge."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed or self._nudged, timeout_s)
            self._nudged = False
            return self._waiting.popleft() if self._waiting else None

    def nudge(self) -> None:
        """End the waiting of :meth:`take`, of this call or of the next."""
        with self._changed:
            self._nudged = True
            self._changed.notify_all()

    def answer(self, ticket: Ticket, verdict: Verdict, picture: PictureU8 | None) -> bool:
        """Deliver the result; False if the ticket had its answer already (it was late)."""
        with self._changed:
            if self._open.get(ticket.trigger_id) is not ticket:
                return False
            if time.monotonic() >= ticket.until_s:
                self._expire(ticket)
                return False
            self._settle(ticket, verdict, picture)
            return True

    def error(self, ticket: Ticket, reason: str) -> bool:
        """Answer with ERROR; False if the ticket had its answer already."""
        verdict = error_verdict(ticket.trigger_id, ticket.product, reason)
        return self.answer(ticket, verdict, None)

    def stop(self) -> None:
        """Take no more triggers; those that wait are still answered."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def close(self) -> None:
        """Answer everything that waits with ERROR and take no more triggers."""
        self.stop()
        with self._changed:
            self._waiting.clear()
            for ticket in list(self._open.values()):
                self._refuse(ticket, "the line was stopped before the part was inspected")
            self._changed.notify_all()
        self._clock.join(5.0)

    def _refuse(self, ticket: Ticket, reason: str) -> None:
        self._settle(ticket, error_verdict(ticket.trigger_id, ticket.product, reason), None)

    def _expire(self, ticket: Ticket) -> None:
        self._late += 1
        why = ""
        if ticket.failure:
            why = f" ({ticket.failure})"
        elif missing := ticket.missing:
            why = f" (no picture, or too few, of camera {', '.join(missing)})"
        self._refuse(
            ticket,
            f"no result within the deadline of {1000 * (ticket.until_s - ticket.at_s):.0f} ms{why}",
        )

    def _settle(self, ticket: Ticket, verdict: Verdict, picture: PictureU8 | None) -> None:
        del self._open[ticket.trigger_id]
        ticket.close()
        self._deliver(dataclasses.replace(verdict, trigger_id=ticket.trigger_id), picture)
        self._changed.notify_all()

    def _watch(self) -> None:
        """Answer each ticket at its deadline at the latest, whatever holds the inspection up."""
        with self._changed:
            while not self._closed or self._open:
                first = next(iter(self._open.values()), None)
                left_s = math.inf if first is None else _answer_by(first) - time.monotonic()
                if first is not None and left_s <= 0:
                    if first in self._waiting:
                        self._waiting.remove(first)
                    self._expire(first)
                    continue
                self._changed.wait(None if left_s == math.inf else left_s)


def _answer_by(ticket: Ticket) -> float:
    return ticket.until_s - min(_MARGIN_S, (ticket.until_s - ticket.at_s) / 10)
