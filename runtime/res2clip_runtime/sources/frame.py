"""One picture on its way from a source to the inspector."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass, field
from pathlib import Path

from res2clip_runtime.inspection import utc_now
from res2clip_runtime.preprocess import PictureU8

__all__ = ["Frame", "FrameNames"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Frame:
    """A picture, not yet decoded when it comes from a file."""

    frame_id: str
    """Unique within its source: a relative path, or ``part.mp4#000123``, ``camera0#000123``."""
    image: Path | PictureU8 = field(repr=False)
    """A file, or an (H, W, 3) uint8 RGB array."""
    captured_at: str
    """ISO 8601 time (UTC) at which it was taken (camera) or read (file)."""
    captured_monotonic_s: float = field(default_factory=time.monotonic)
    """The same moment as ``time.monotonic``: ages and deadlines must survive a clock that jumps."""
    device_time_ns: int | None = None
    """The camera's own clock, in ns from a zero of its own; None where it has none."""


class FrameNames:
    """Names and stamps the frames of one live source, apart from those of other runs."""

    def __init__(self, name: str) -> None:
        """Number from 0; ``name`` is what the source is called."""
        # The start keeps a later run from replacing the pictures of this one.
        start = utc_now()[:23].replace(":", "").replace("-", "").replace(".", "")
        self._prefix = f"{name}-{start}"
        self._numbers = itertools.count()

    def frame(self, image: PictureU8, *, device_time_ns: int | None = None) -> Frame:
        """Return ``image``, captured now, as the next frame.

        Args:
            image: (H, W, 3) uint8 RGB.
            device_time_ns: the camera's own time.
        """
        return Frame(
            frame_id=f"{self._prefix}#{next(self._numbers):06d}",
            image=image,
            captured_at=utc_now(),
            device_time_ns=device_time_ns,
        )
