"""Which part a picture is of that came by a trigger wire: nothing but its time tells."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from res2clip_runtime.service.settings import LineSettings
from res2clip_runtime.service.ticket import Ticket

__all__ = ["WiredPart", "WiredParts"]


class WiredPart:
    """The pictures of one part, counted whether or not its ticket still wants them.

    A ticket that was refused, failed or answered gets no more pictures, but those that are still
    to come are of this part all the same, and must not open another.
    """

    def __init__(self, ticket: Ticket, cameras: Sequence[str], *, at_s: float) -> None:
        """Begin with nothing of ``cameras``; the first picture was taken at ``at_s``."""
        self.ticket = ticket
        self.first_s = self.last_s = at_s
        self.unclear = False
        """Whether it began so soon after one that was not whole that pictures may be mixed up."""
        self.counts = dict.fromkeys(cameras, 0)

    def add(self, camera: str, at_s: float) -> None:
        """Count a picture of ``camera``."""
        self.counts[camera] += 1
        self.last_s = max(self.last_s, at_s)


class WiredParts:
    """The parts whose pictures may still come; not for several threads at once."""

    def __init__(self, settings: LineSettings) -> None:
        """Tell parts apart by the times of ``settings``."""
        self._pictures = settings.pictures_per_part
        self._several = settings.pictures_per_part > 1
        gap_ms = settings.picture_gap_ms if self._several else settings.views_skew_ms
        self._near_s = gap_ms / 1000
        self._keep_s = self._near_s + settings.deadline_ms / 1000
        self._key = "picture_gap_ms" if self._several else "views_skew_ms"
        self._parts: list[WiredPart] = []

    def assign(
        self,
        camera: str,
        at_s: float,
        opened: Callable[[], tuple[Ticket, Sequence[str]]],
    ) -> tuple[WiredPart, bool]:
        """Return the part of a picture, with the picture counted, and whether the part is new.

        Args:
            camera: gave the picture.
            at_s: when it was taken (``time.monotonic``).
            opened: returns a ticket for a new part and the wired cameras that look at it.
        """
        before = [part for part in self._parts if camera in part.counts]
        for part in before:
            if part.counts[camera] < self._pictures and self._is_near(part, at_s):
                part.add(camera, at_s)
                return part, False
        unclear = False
        for part in before:
            mixed = self._is_near(part, at_s) and (part.unclear or not self._is_whole(part))
            # A camera's pictures come in order: what it lacks now it will never give. Another
            # camera's may only be on their way; the deadline waits for them.
            lost = part.counts[camera] < self._pictures and at_s > part.first_s
            if (mixed or lost) and not self._is_whole(part):
                part.ticket.fail(self._lack(part, camera))
            unclear = unclear or mixed
        ticket, cameras = opened()
        part = WiredPart(ticket, cameras, at_s=at_s)
        part.add(camera, at_s)
        if unclear:
            part.unclear = True
            ticket.fail(
                f"camera {camera} was triggered again before the part before had all its pictures; "
                f"parts must be further apart than {1000 * self._near_s:g} ms ({self._key})"
            )
        self._forget(at_s)
        self._parts.append(part)
        return part, True

    def _is_near(self, part: WiredPart, at_s: float) -> bool:
        since_s = part.last_s if self._several else part.first_s
        return part.first_s - self._near_s <= at_s <= since_s + self._near_s

    def _is_whole(self, part: WiredPart) -> bool:
        return all(count >= self._pictures for count in part.counts.values())

    def _lack(self, part: WiredPart, camera: str) -> str:
        missing = ", ".join(
            f"{name} ({count} of {self._pictures})"
            for name, count in part.counts.items()
            if count < self._pictures
        )
        return (
            f"camera {camera} was triggered for the next part, but pictures are missing of camera "
            f"{missing}; see {self._key} and the cameras' wires"
        )

    def _forget(self, now_s: float) -> None:
        """Forget parts of which no picture can come any more."""
        self._parts = [
            part
            for part in self._parts
            if now_s - part.last_s <= self._keep_s
            or not (self._is_whole(part) or part.ticket.failure or part.ticket.closed)
        ]
