"""One camera's thread: reads it, opens it anew when it fails, and says how it is doing."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import deque

from res2clip_runtime.closable import Closable
from res2clip_runtime.errors import Res2ClipError, SourceEnded, SourceError
from res2clip_runtime.service.camera_plan import CameraPlan
from res2clip_runtime.service.feed import Feed
from res2clip_runtime.service.health import CameraHealth, CameraState
from res2clip_runtime.service.ticket import Ticket
from res2clip_runtime.sources import Frame, Source

__all__ = ["Capture"]

logger = logging.getLogger(__name__)

POLL_S = 0.25
"""Longest time the thread sits in the source, so that it notices a stop."""
FIRST_PICTURE_S = 5.0
"""A fresh handle may need so long for its first picture: a stream waits for its next key frame."""


class Capture(Closable):
    """Owns one camera and the thread that reads it.

    A handle that has failed is closed and a fresh one opened, with growing waits: handles of
    cameras and streams die with their connection.
    """

    def __init__(self, plan: CameraPlan, feed: Feed) -> None:
        """Read the camera of ``plan`` for ``feed`` once :meth:`start` is called."""
        self.plan = plan
        self._feed = feed
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._requests: deque[Ticket] = deque()
        self._open = False
        self._on_demand = False
        self._state: CameraState = "opening"
        self._reason = ""
        self._refusal: Exception | None = None
        self._frames = 0
        self._opened = 0
        self._waits = False
        self._live = False
        self._dropped_before = 0
        self._damaged_before = 0
        self._source: Source | None = None
        self._last_frame_s: float | None = None
        self._began_s = 0.0
        self._failures = 0
        self._thread = threading.Thread(target=self._run, name=f"camera-{plan.name}", daemon=True)

    @property
    def name(self) -> str:
        """The camera's name."""
        return self.plan.name

    @property
    def ended(self) -> bool:
        """Whether it has rightly given all its pictures."""
        return self._state == "ended"

    @property
    def live(self) -> bool:
        """Whether it gives pictures no matter if anybody reads; False until it is open."""
        return self._live

    @property
    def stopping(self) -> bool:
        """Whether it was asked to end."""
        return self._stopping.is_set()

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def wait_first(self, timeout_s: float) -> Exception | None:
        """Return what the first attempt to open it raised, or None; wait at most so long."""
        with self._changed:
            self._changed.wait_for(lambda: self._opened or self._reason, timeout_s)
            return self._refusal

    def request(self, ticket: Ticket) -> None:
        """Ask for the pictures of a ticket; one that cannot come fails the ticket at once."""
        with self._changed:
            if not self._open:
                ended = "it has ended" if self._state == "ended" else "it is not open yet"
                why = self._reason or ended
                ticket.fail(f"camera {self.name} gives no pictures: {why}")
                return
            self._requests.append(ticket)
            self._changed.notify_all()

    def health(self) -> CameraHealth:
        """Return how it is doing at this moment."""
        with self._changed:
            age_s = None
            if self._last_frame_s is not None:
                age_s = time.monotonic() - self._last_frame_s
            state, reason = self._state, self._reason
            silent = self._live and not (self._on_demand or self._waits)
            if state == "ready" and silent and age_s is not None:
                # The thread itself says so earlier, unless it hangs in a driver.
                limit_s = 2 * self.plan.stale_s + POLL_S
                if age_s > limit_s:
                    state, reason = "lost", f"no picture for {age_s:.0f} s, its driver hangs"
            source = self._source
            return CameraHealth(
                name=self.name,
                state=state,
                frames=self._frames,
                dropped=self._dropped_before + (source.dropped if source else 0),
                damaged=self._damaged_before + (source.damaged if source else 0),
                frame_age_s=age_s,
                reconnects=max(0, self._opened - 1),
                reason=reason,
            )

    def serve(self, frame: Frame) -> None:
        """Give a picture that came by itself to the tickets that were triggered before it."""
        with self._changed:
            requests = list(self._requests)
            for ticket in requests:
                late_s = frame.captured_monotonic_s - ticket.at_s
                if late_s > self.plan.picture_timeout_s:
                    ticket.fail(
                        f"camera {self.name} gave its first picture {late_s:.1f} s after the "
                        f"trigger, allowed are {self.plan.picture_timeout_s:g} (picture_timeout_s)"
                    )
                elif late_s >= 0:
                    ticket.deliver(self.name, frame)
                if not ticket.wants(self.name):
                    self._requests.remove(ticket)

    def stop(self) -> None:
        """Ask the thread to end; :meth:`close` waits for it."""
        self._stopping.set()
        with self._changed:
            self._changed.notify_all()

    def close(self, timeout_s: float = 5.0) -> None:
        """End the thread; one that hangs in a driver is left behind (it keeps nothing alive)."""
        self.stop()
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        if self._thread.is_alive():
            logger.error("camera %s: its driver hangs; it was left behind", self.name)

    def _run(self) -> None:
        while not self._stopping.is_set() and self._state != "ended":
            source = self._opened_source()
            if source is not None:
                try:
                    self._read(source)
                finally:
                    self._close(source)
            if self._state == "lost":
                self._stopping.wait(self.plan.backoff.wait_s(max(1, self._failures)))

    def _opened_source(self) -> Source | None:
        source = None
        try:
            source = self.plan.open()
            self._begin(source)
        except Exception as err:
            self._break_off(err)
            if source is not None:
                self._close(source)
            return None
        return source

    def _read(self, source: Source) -> None:
        """Read until the source ends, breaks off or a stop is asked for, and note which."""
        try:
            while not self._stopping.is_set():
                self._turn(source)
        except SourceEnded:
            self._end("ended", "", None)
        except Exception as err:
            self._break_off(err)
        else:
            self._end("lost", "the line is stopping", None)

    def _break_off(self, err: Exception) -> None:
        """Note a failure before the handle is closed: a dead camera's takes seconds."""
        if isinstance(err, Res2ClipError):
            self._end("lost", str(err), err)
        else:
            logger.exception("a defect of res2clip, please report it: camera %s", self.name)
            self._end("lost", f"{type(err).__name__}: {err}", err)

    def _close(self, source: Source) -> None:
        try:
            source.close()
        except Exception:  # what cannot be closed must not keep a fresh handle from being opened
            logger.exception("camera %s: its handle could not be closed", self.name)

    def _begin(self, source: Source) -> None:
        on_demand = self._feed.on_demand(self.plan, source)
        with self._changed:
            back = self._opened > 0
            self._source = source
            self._open = True
            self._opened += 1
            self._on_demand = on_demand
            self._waits = source.waits
            self._live = source.live
            self._began_s = time.monotonic()
            self._last_frame_s = self._began_s if back else None
            if self._on_demand or self._waits:
                self._ready()
            self._changed.notify_all()
        logger.info("camera %s: opened %s", self.name, source.describe())

    def _end(self, state: CameraState, reason: str, err: Exception | None) -> None:
        """Note that the handle is closed; whoever waits for its pictures is told."""
        with self._changed:
            source, self._source = self._source, None
            if source is not None:
                self._dropped_before += source.dropped
                self._damaged_before += source.damaged
            first = self._state != "lost"
            self._open, self._state, self._reason = False, state, reason
            self._failures += 1
            if self._opened == 0 and self._refusal is None:
                self._refusal = err
            requests, self._requests = list(self._requests), deque()
            self._changed.notify_all()
        for ticket in requests:
            ticket.fail(f"camera {self.name} gives no pictures: {reason or 'it has ended'}")
        if state == "lost" and err is not None:
            level = logging.WARNING if first else logging.INFO
            logger.log(level, "camera %s: lost: %s", self.name, reason)

    def _ready(self) -> None:
        """Note that it works; called while holding the lock."""
        if self._state == "lost":
            logger.warning("camera %s: gives pictures again", self.name)
        self._state, self._reason, self._failures = "ready", "", 0

    def _turn(self, source: Source) -> None:
        if self._on_demand:
            self._serve_next(source)
            return
        frame = source.read(POLL_S)
        if frame is not None:
            self._note_frame()
            self._feed.take(frame, self)
        elif not source.waits:
            self._check_silence()
        else:
            self._note_trouble(source.trouble())

    def _note_trouble(self, reason: str) -> None:
        """Note that nothing can come through a good handle, or that it can again."""
        with self._changed:
            if reason and self._state != "lost":
                logger.warning("camera %s: lost: %s", self.name, reason)
                self._state = "lost"
            elif not reason and self._state == "lost":
                self._ready()
            self._reason = reason
            self._changed.notify_all()

    def _note_frame(self) -> None:
        with self._changed:
            self._frames += 1
            self._last_frame_s = time.monotonic()
            if self._state != "ready":
                self._ready()
                self._changed.notify_all()

    def _check_silence(self) -> None:
        limit_s, since_s = self.plan.stale_s, self._last_frame_s or self._began_s
        if since_s <= self._began_s:
            limit_s = max(limit_s, FIRST_PICTURE_S)
        silent_s = time.monotonic() - since_s
        if silent_s > limit_s:
            raise SourceError(
                f"no picture for {silent_s:.1f} s, expected one within {limit_s:g} s "
                "(stale_s); check its cable and power"
            )

    def _serve_next(self, source: Source) -> None:
        """Take the pictures of the ticket that is next."""
        with self._changed:
            self._changed.wait_for(lambda: self._requests or self._stopping.is_set(), POLL_S)
            ticket = self._requests[0] if self._requests else None
        if ticket is None and source.live:
            # A camera that has died says so now, not when the next part comes. A picture without
            # a trigger is of no part.
            source.read(0.0)
        while ticket is not None and ticket.wants(self.name) and not self._stopping.is_set():
            if (frame := self._picture_for(source, ticket)) is not None:
                ticket.deliver(self.name, frame)
        if ticket is not None:
            with self._changed, contextlib.suppress(ValueError):
                self._requests.remove(ticket)

    def _picture_for(self, source: Source, ticket: Ticket) -> Frame | None:
        """Return the picture, or None where the ticket has failed."""
        damaged, asked_s = source.damaged, 0.0
        if self.plan.trigger == "software":
            asked_s = time.monotonic()
            late_s = asked_s - ticket.at_s
            # The part's further pictures are later by design.
            if late_s > self.plan.trigger_delay_s and ticket.untouched(self.name):
                ticket.fail(
                    f"camera {self.name} was busy for {1000 * late_s:.0f} ms after the trigger, "
                    f"allowed are {1000 * self.plan.trigger_delay_s:.0f} (trigger_delay_ms); "
                    "trigger less often, or use a faster camera"
                )
                return None
            source.trigger()
        until_s = time.monotonic() + self.plan.picture_timeout_s
        while (left_s := until_s - time.monotonic()) > 0 and not self._stopping.is_set():
            frame = source.read(min(left_s, POLL_S))
            if frame is not None and frame.captured_monotonic_s >= asked_s:
                self._note_frame()
                return frame
            if source.damaged > damaged:
                ticket.fail(f"camera {self.name}: the picture came damaged")
                return None
        # With the handle goes the picture that may still be on its way: it must never be taken
        # for that of the next part.
        raise SourceError(
            f"no picture within {self.plan.picture_timeout_s:g} s of the trigger "
            f"{ticket.trigger_id} (picture_timeout_s); check the camera and its light"
        )
