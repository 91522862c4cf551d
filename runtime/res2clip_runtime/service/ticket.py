"""One trigger on its way to its answer."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Sequence

from res2clip_runtime.sources.frame import Frame

__all__ = ["Ticket"]


class Ticket:
    """What one trigger asks for, and the pictures of its part as they come in.

    Capture threads deliver, the inspection waits.
    """

    def __init__(
        self,
        trigger_id: str,
        *,
        product: str,
        cameras: Sequence[str],
        pictures: int = 1,
        at_s: float | None = None,
        deadline_s: float = math.inf,
    ) -> None:
        """Want ``pictures`` pictures of every one of ``cameras``.

        Args:
            trigger_id: names the answer.
            product: what was chosen when it was triggered.
            cameras: names of the cameras that look at the part.
            pictures: pictures of each camera.
            at_s: when it was triggered (``time.monotonic``); now, if None.
            deadline_s: seconds from then on within which it must be answered.
        """
        self.trigger_id = trigger_id
        self.product = product
        self.at_s = time.monotonic() if at_s is None else at_s
        self.until_s = self.at_s + deadline_s
        self._pictures = pictures
        self._frames: dict[str, list[Frame]] = {name: [] for name in cameras}
        self._failure = ""
        self._closed = False
        self._changed = threading.Condition()

    @property
    def closed(self) -> bool:
        """Whether it has been answered: no more pictures are wanted."""
        return self._closed

    @property
    def failure(self) -> str:
        """Why a picture cannot come; empty while all may."""
        return self._failure

    def wants(self, camera: str) -> bool:
        """Return whether a picture of this camera is still missing."""
        with self._changed:
            missing = len(self._frames.get(camera, ())) < self._pictures
            return camera in self._frames and missing and not self._closed and not self._failure

    def untouched(self, camera: str) -> bool:
        """Return whether this camera has given no picture yet."""
        with self._changed:
            return not self._frames.get(camera)

    @property
    def missing(self) -> tuple[str, ...]:
        """Names of the cameras of which a picture is missing; empty once it is answered."""
        with self._changed:
            if self._closed:
                return ()
            return tuple(
                name for name, frames in self._frames.items() if len(frames) < self._pictures
            )

    def deliver(self, camera: str, frame: Frame) -> None:
        """Take a picture; one that is not wanted any more is forgotten."""
        with self._changed:
            if not self._closed and len(self._frames[camera]) < self._pictures:
                self._frames[camera].append(frame)
                self._changed.notify_all()

    def fail(self, reason: str) -> None:
        """Take note that a picture will not come."""
        with self._changed:
            self._failure = self._failure or reason
            self._changed.notify_all()

    def close(self) -> None:
        """Forget the pictures: the answer is given."""
        with self._changed:
            self._closed = True
            self._frames = {name: [] for name in self._frames}
            self._changed.notify_all()

    def wait_for_pictures(self, timeout_s: float) -> list[tuple[str, Frame]] | None:
        """Return (camera, frame) of every picture when all are there; None if not yet, or failed.

        Waits until then, until a failure or the answer, at most ``timeout_s`` seconds.
        """
        with self._changed:
            self._changed.wait_for(
                lambda: self._closed or self._failure or self._whole(), timeout_s
            )
            if self._closed or self._failure or not self._whole():
                return None
            return [(name, frame) for name, frames in self._frames.items() for frame in frames]

    def _whole(self) -> bool:
        return all(len(frames) == self._pictures for frames in self._frames.values())
