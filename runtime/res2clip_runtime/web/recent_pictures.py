"""The newest pictures in memory: to look at, to teach from, to keep when somebody complains."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field

from res2clip_runtime.preprocess import PictureU8
from res2clip_runtime.verdict import Verdict

__all__ = ["RecentPictures", "Shot"]

MOST_BYTES = 64_000_000
"""Of all pictures and maps together; the newest of each camera is kept whatever it takes."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shot:
    """A part's picture and what was decided."""

    number: int
    """The part's."""
    verdict: Verdict
    """With its map."""
    picture: PictureU8 = field(repr=False)
    """(H, W, 3) uint8 RGB as it was inspected."""
    at_s: float = field(default_factory=time.monotonic)
    """When it came."""

    @property
    def size_bytes(self) -> int:
        """Memory it takes."""
        anomaly_map = self.verdict.anomaly_map
        return int(self.picture.nbytes) + (0 if anomaly_map is None else int(anomaly_map.nbytes))


class RecentPictures:
    """A bounded piece of memory; may be used from any thread."""

    def __init__(self, *, most_bytes: int = MOST_BYTES) -> None:
        """Keep pictures of ``most_bytes`` together."""
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._by_number: OrderedDict[int, Shot] = OrderedDict()
        self._newest: OrderedDict[str, Shot] = OrderedDict()
        self._bytes = 0

    def put(self, shot: Shot) -> None:
        """Take the newest picture; the oldest go."""
        with self._lock:
            self._newest[shot.verdict.camera] = shot
            self._newest.move_to_end(shot.verdict.camera)
            if not shot.verdict.product:
                return  # nothing was decided, so nobody can complain
            self._by_number[shot.number] = shot
            self._bytes += shot.size_bytes
            while self._bytes > self._most_bytes and len(self._by_number) > 1:
                self._bytes -= self._by_number.popitem(last=False)[1].size_bytes

    def find(self, number: int) -> Shot | None:
        """Return the picture of a part, or None if it is not there any more."""
        with self._lock:
            found = self._by_number.get(number)
            if found is None:
                found = next((s for s in self._newest.values() if s.number == number), None)
            return found

    def newest(self, camera: str | None = None) -> Shot | None:
        """Return the newest picture of a camera, or of all; None while there is none."""
        with self._lock:
            if camera is not None:
                return self._newest.get(camera)
            return next(reversed(self._newest.values()), None)
