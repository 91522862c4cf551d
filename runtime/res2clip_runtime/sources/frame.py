"""One picture on its way from a source to the inspector."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path

from res2clip_runtime.errors import SourceError
from res2clip_runtime.file_version import FileVersion, read_version
from res2clip_runtime.inspection import utc_now
from res2clip_runtime.preprocess import PictureU8, decode_rgb, load_rgb
from res2clip_runtime.sources.settings import CameraSettings

__all__ = ["Frame", "LiveFrames"]

_FEW_DAMAGED = 5
"""So many damaged pictures after each other may be chance, whatever time they took."""


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
    file_version: FileVersion | None = field(default=None, repr=False)
    """The version of the file that is meant; None: whatever lies there when it is read."""

    def picture(self) -> PictureU8:
        """Return the picture as (H, W, 3) uint8 RGB, read now if it lies in a file.

        Raises:
            ArtefactNotFoundError: the file is not there any more.
            InputError: the picture cannot be decoded, or the file is another one than was seen.
        """
        if self.file_version is None or not isinstance(self.image, Path):
            return load_rgb(self.image)
        return decode_rgb(read_version(self.image, self.file_version), str(self.image))


class LiveFrames:
    """Names and stamps the frames of one live source; counts those that came damaged."""

    def __init__(self, name: str, settings: CameraSettings) -> None:
        """Number from 0.

        Args:
            name: what the source is called.
            settings: with the size, if one is asked for, and the time after which a source that
                sends only damaged pictures is lost.
        """
        # The start keeps a later run from replacing the pictures of this one.
        start = utc_now()[:23].replace(":", "").replace("-", "").replace(".", "")
        self.damaged = 0
        self._name, self._prefix = name, f"{name}-{start}"
        self._numbers = itertools.count()
        self._width, self._height = settings.width, settings.height
        self._patience_s = settings.read_timeout_s
        self._last_good_s, self._damaged_since = time.monotonic(), 0

    def frame(
        self,
        image: PictureU8,
        *,
        arrived_s: float | None = None,
        device_time_ns: int | None = None,
    ) -> Frame:
        """Return ``image`` as the next frame.

        Args:
            image: (H, W, 3) uint8 RGB.
            arrived_s: ``time.monotonic`` when it came; it may have waited since, and has been
                decoded. None: now.
            device_time_ns: the camera's own time.

        Raises:
            SourceError: it is not as large as asked for, or as the picture before it.
        """
        height, width, _ = image.shape
        expected = (self._width or width, self._height or height)
        if (width, height) != expected:
            raise SourceError(
                f"{self._name} sends pictures of {width} x {height} px instead of "
                f"{expected[0]} x {expected[1]} px; see to its settings"
            )
        self._width, self._height = expected
        now_s = time.monotonic()
        self._last_good_s, self._damaged_since = now_s, 0
        age_s = 0.0 if arrived_s is None else max(0.0, now_s - arrived_s)
        captured = datetime.now(timezone.utc) - timedelta(seconds=age_s)
        return Frame(
            frame_id=f"{self._prefix}#{next(self._numbers):06d}",
            image=image,
            captured_at=captured.isoformat(timespec="milliseconds"),
            captured_monotonic_s=now_s - age_s,
            device_time_ns=device_time_ns,
        )

    def count_damaged(self, why: str) -> None:
        """Count a picture that came incomplete or cannot be decoded.

        Raises:
            SourceError: nothing else has come for a while.
        """
        self.damaged += 1
        self._damaged_since += 1
        silence_s = time.monotonic() - self._last_good_s
        if self._damaged_since >= _FEW_DAMAGED and silence_s > self._patience_s:
            raise SourceError(
                f"{self._name} has sent only damaged pictures for {silence_s:.1f} s ({why}); "
                "check cable, bandwidth and what it sends"
            )
