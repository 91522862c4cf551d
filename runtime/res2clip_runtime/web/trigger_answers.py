"""The verdicts that requests wait for; a few are kept, for those that were quicker."""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict

from res2clip_runtime.verdict import Verdict

__all__ = ["TriggerAnswers"]

_KEPT = 64


class TriggerAnswers:
    """Verdicts come on any thread, :meth:`wait` runs on the server's loop."""

    def __init__(self) -> None:
        """Begin without answers, on the running loop."""
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, Verdict] = OrderedDict()
        self._waiting: dict[str, asyncio.Future[Verdict]] = {}

    def take(self, verdict: Verdict) -> None:
        """Keep the answer to a trigger, or give it to who waits; quick."""
        trigger_id = verdict.trigger_id
        if trigger_id is None:
            return
        verdict = verdict.without_map()
        with self._lock:
            waiter = self._waiting.pop(trigger_id, None)
            if waiter is None:
                self._kept[trigger_id] = verdict
                if len(self._kept) > _KEPT:
                    self._kept.popitem(last=False)
                return
        try:
            self._loop.call_soon_threadsafe(_give, waiter, verdict)
        except RuntimeError:
            return  # the server has ended

    def forget(self, trigger_id: str) -> None:
        """Drop the answer to an earlier trigger of this id."""
        with self._lock:
            self._kept.pop(trigger_id, None)

    async def wait(self, trigger_id: str, timeout_s: float) -> Verdict | None:
        """Return the answer to a trigger, or None if it has not come by then."""
        with self._lock:
            if (verdict := self._kept.pop(trigger_id, None)) is not None:
                return verdict
            waiter = self._waiting[trigger_id] = self._loop.create_future()
        try:
            return await asyncio.wait_for(waiter, timeout_s)
        except asyncio.TimeoutError:
            return None
        finally:
            with self._lock:
                if self._waiting.get(trigger_id) is waiter:
                    del self._waiting[trigger_id]


def _give(waiter: asyncio.Future[Verdict], verdict: Verdict) -> None:
    if not waiter.done():
        waiter.set_result(verdict)
