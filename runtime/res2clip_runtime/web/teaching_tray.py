"""Pictures that somebody froze to teach a product with: in memory, a few for each user."""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field

import numpy as np

from res2clip_runtime.errors import InputError
from res2clip_runtime.preprocess import PictureU8
from res2clip_runtime.quality import exposure_doubts, measure_sharpness, sharpness_doubts
from res2clip_runtime.spec import sha256_hex
from res2clip_runtime.web.recent_pictures import Shot

__all__ = ["Candidate", "TeachingTray"]

MOST_OF_ONE = 16
"""Pictures of a user that are kept; the oldest goes, as nobody may know of it any more."""
KEPT_S = 3600.0
"""Seconds that a picture is kept: a tab that was closed takes nothing out."""
MOST_BYTES = 400_000_000
"""Of all users' pictures together."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Candidate:
    """A frozen picture."""

    candidate_id: str
    """Nobody can guess it."""
    number: int
    """The part's."""
    camera: str
    """Where it comes from."""
    captured_at: str
    """When it was taken."""
    picture: PictureU8 = field(repr=False)
    """(H, W, 3) uint8 RGB."""
    digest: str = field(repr=False)
    """Of the pixels: a copy teaches nothing."""
    doubts: tuple[str, ...] = ()
    """What speaks against teaching with it."""
    frozen_s: float = field(default_factory=lambda: time.monotonic())
    """When it was frozen, by ``time.monotonic``."""


class TeachingTray:
    """The pictures of every user; may be used from any thread."""

    def __init__(self) -> None:
        """Begin empty."""
        self._lock = threading.Lock()
        self._of_user: dict[str, OrderedDict[str, Candidate]] = {}

    def freeze(self, user: str, shot: Shot) -> Candidate:
        """Keep a picture for a user and say what is doubtful about it; takes a moment.

        Raises:
            InputError: the tray holds this very picture, or all trays together are full.
        """
        digest = sha256_hex(np.ascontiguousarray(shot.picture).data)
        self._check(user, shot, digest)
        candidate = Candidate(
            candidate_id=secrets.token_urlsafe(12),
            number=shot.number,
            camera=shot.verdict.camera,
            captured_at=shot.verdict.captured_at,
            picture=shot.picture,
            digest=digest,
            doubts=_doubts(shot.picture),
        )
        with self._lock:
            own = self._of_user.setdefault(user, OrderedDict())
            own[candidate.candidate_id] = candidate
            while len(own) > MOST_OF_ONE:
                own.popitem(last=False)
        return candidate

    def find(self, user: str, candidate_id: str) -> Candidate | None:
        """Return a picture of a user, or None."""
        with self._lock:
            own = self._of_user.get(user)
            return own.get(candidate_id) if own else None

    def drop(self, user: str, candidate_id: str) -> bool:
        """Forget a picture of a user; return whether there was one."""
        with self._lock:
            own = self._of_user.get(user, OrderedDict())
            found = own.pop(candidate_id, None) is not None
            if not own:
                self._of_user.pop(user, None)
            return found

    def _check(self, user: str, shot: Shot, digest: str) -> None:
        with self._lock:
            self._forget_old()
            own: OrderedDict[str, Candidate] = self._of_user.get(user, OrderedDict())
            if any(c.digest == digest for c in own.values()):
                raise InputError("this picture is in the tray already; wait for another")
            held = sum(c.picture.nbytes for all_ in self._of_user.values() for c in all_.values())
            if held + shot.picture.nbytes > MOST_BYTES:
                raise InputError("the trays of all users together are full; empty one first")

    def _forget_old(self) -> None:
        oldest_s = time.monotonic() - KEPT_S
        for user, own in list(self._of_user.items()):
            for candidate in [c for c in own.values() if c.frozen_s < oldest_s]:
                del own[candidate.candidate_id]
            if not own:
                del self._of_user[user]


def _doubts(picture: PictureU8) -> tuple[str, ...]:
    doubts = exposure_doubts("", picture)
    doubts += sharpness_doubts([("", measure_sharpness(picture))])
    return tuple(doubt.message for doubt in doubts)
