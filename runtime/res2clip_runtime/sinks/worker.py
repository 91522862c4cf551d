"""A sink on a thread of its own, behind a bounded queue: whatever it does, the line goes on."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Literal

from res2clip_runtime.closable import Closable
from res2clip_runtime.errors import InputError, OutputError
from res2clip_runtime.preprocess import PictureU8
from res2clip_runtime.sinks.backoff import Backoff
from res2clip_runtime.sinks.health import SinkHealth, SinkState
from res2clip_runtime.sinks.sink import Sink
from res2clip_runtime.verdict import Verdict

__all__ = ["SinkWorker"]

logger = logging.getLogger(__name__)

_Item = tuple[Verdict, "PictureU8 | None"]


class SinkWorker(Closable):
    """Gives verdicts to one sink in order, from its own thread; owns the sink.

    What cannot be written is tried again with growing waits while newer verdicts queue up; when the
    queue is full, verdicts are dropped by the stated rule and counted.
    """

    def __init__(
        self,
        sink: Sink,
        *,
        name: str,
        capacity: int = 256,
        drop: Literal["oldest", "newest"] = "oldest",
        backoff: Backoff | None = None,
        pictures: bool = True,
        wants: Callable[[Verdict], bool] | None = None,
    ) -> None:
        """Start the thread.

        Args:
            sink: takes the verdicts; called and closed from the thread only.
            name: tells sinks apart in health and logs.
            capacity: verdicts that wait at most, beside the one in hand.
            drop: what a full queue gives up: the verdict that has waited longest, or the new one.
            backoff: waits and attempts; by default a verdict is tried until it is written.
            pictures: whether the sink uses pictures and maps; without, the queue holds none.
            wants: asked on the caller's thread whether the sink needs a verdict at all; quick.

        Raises:
            InputError: the capacity is below 1.
        """
        if capacity < 1:
            raise InputError(f"capacity of the sink '{name}' is {capacity}, expected at least 1")
        self._sink = sink
        self._name = name
        self._capacity = capacity
        self._drop = drop
        self._backoff = backoff or Backoff()
        self._pictures = pictures
        self._wants = wants
        self._queue: deque[_Item] = deque()
        self._changed = threading.Condition()
        self._in_hand = 0
        self._written = 0
        self._dropped = 0
        self._state: SinkState = "ok"
        self._reason = ""
        self._end_by_s: float | None = None
        self._thread = threading.Thread(target=self._work, name=f"sink-{name}", daemon=True)
        self._thread.start()

    @property
    def name(self) -> str:
        """What the sink is called."""
        return self._name

    @property
    def health(self) -> SinkHealth:
        """State and counts at this moment."""
        with self._changed:
            return SinkHealth(
                name=self._name,
                state=self._state,
                written=self._written,
                dropped=self._dropped,
                queued=len(self._queue) + self._in_hand,
                reason=self._reason,
            )

    def offer(self, verdict: Verdict, picture: PictureU8 | None) -> None:
        """Queue a verdict and its (H, W, 3) uint8 RGB picture; never waits, never raises."""
        try:
            if self._wants is not None and not self._wants(verdict):
                return
            item = self._slim(verdict, picture)
        except Exception:  # a defect in one sink must not reach the line
            logger.exception("a defect of res2clip, please report it: sink %s", self._name)
            with self._changed:
                self._dropped += 1
            return
        with self._changed:
            if self._end_by_s is not None or self._state == "closed":
                self._dropped += 1
                return
            if len(self._queue) >= self._capacity:
                self._dropped += 1
                if self._drop == "newest":
                    return
                self._queue.popleft()
            self._queue.append(item)
            self._changed.notify_all()

    def close(self, timeout_s: float = 5.0) -> None:
        """Write what is queued, for at most ``timeout_s`` seconds, and close the sink.

        What could not be written by then is counted as dropped. A sink that hangs is left to its
        thread, which does not keep the process alive.
        """
        with self._changed:
            if self._end_by_s is None:
                self._end_by_s = time.monotonic() + timeout_s
            self._changed.notify_all()
        self._thread.join(timeout_s + 1.0)
        with self._changed:
            hangs, self._state = self._state != "closed", "closed"
            if not hangs:
                return
            self._dropped += len(self._queue) + self._in_hand
            self._queue.clear()
            self._in_hand = 0
            self._reason = f"it did not end within {timeout_s:g} s"
        logger.error("sink %s: %s; it was left behind", self._name, self._reason)

    def _slim(self, verdict: Verdict, picture: PictureU8 | None) -> _Item:
        """Return what the sink uses: a queue of pictures and maps holds hundreds of megabytes."""
        if self._pictures:
            return verdict, picture
        return verdict.without_map(), None

    def _work(self) -> None:
        while (item := self._next()) is not None:
            self._write(*item)
        self._finish()

    def _next(self) -> _Item | None:
        """Return the next verdict, waiting for it; None at the end."""
        with self._changed:
            while not self._queue and self._end_by_s is None:
                self._changed.wait()
            if not self._queue or self._too_late():
                return None
            self._in_hand = 1
            return self._queue.popleft()

    def _write(self, verdict: Verdict, picture: PictureU8 | None) -> None:
        """Write one verdict, trying again until it is done, given up, or time is over."""
        failures = 0
        while True:
            try:
                self._sink.write(verdict, picture)
            except OutputError as err:
                failures += 1
                self._fail(str(err))
                if self._backoff.used_up(failures) or not self._pause(failures):
                    self._give_up(verdict)
                    return
            except Exception as err:  # no use trying again: a defect, or the interpreter's end
                logger.exception("a defect of res2clip, please report it: sink %s", self._name)
                self._fail(f"{type(err).__name__}: {err}")
                self._give_up(verdict)
                return
            else:
                self._succeed()
                return

    def _pause(self, failures: int) -> bool:
        """Wait before the next attempt; return whether there is time for one."""
        until = time.monotonic() + self._backoff.wait_s(failures)
        with self._changed:
            while (left := until - time.monotonic()) > 0:
                if self._too_late():
                    return False
                if self._end_by_s is not None:
                    left = min(left, 0.1, self._end_by_s - time.monotonic())
                    self._changed.wait(max(left, 0.001))
                    return not self._too_late()
                self._changed.wait(left)
            return not self._too_late()

    def _too_late(self) -> bool:
        return self._end_by_s is not None and time.monotonic() >= self._end_by_s

    def _succeed(self) -> None:
        with self._changed:
            self._written += self._in_hand
            self._in_hand = 0
            recovered = self._state == "failing"
            if recovered:
                self._state, self._reason = "ok", ""
            waiting, dropped = len(self._queue), self._dropped
        if recovered:
            logger.warning(
                "sink %s: writing again; %d wait, %d dropped so far", self._name, waiting, dropped
            )

    def _fail(self, reason: str) -> None:
        with self._changed:
            if self._state == "closed":
                return
            news = self._state != "failing" or self._reason != reason
            first = self._state != "failing"
            self._state, self._reason = "failing", reason
        if first:
            logger.error("sink %s: %s", self._name, reason)
        elif news:
            logger.info("sink %s: still failing: %s", self._name, reason)

    def _give_up(self, verdict: Verdict) -> None:
        with self._changed:
            self._dropped += self._in_hand
            self._in_hand = 0
        logger.debug("sink %s: gave up the verdict on %s", self._name, verdict.frame_id)

    def _finish(self) -> None:
        reason = ""
        try:
            self._sink.close()
        except Exception as err:  # whatever it is, the others are closed, too
            reason = str(err) or type(err).__name__
            logger.error("sink %s: %s", self._name, reason)
        with self._changed:
            self._dropped += len(self._queue)
            self._queue.clear()
            lost = self._dropped
            self._state, self._reason = "closed", reason or self._reason
        if lost:
            logger.warning("sink %s: closed; %d verdicts were dropped in all", self._name, lost)
