"""Pictures of what was not OK, and of a sample of what was, kept as long as the disk allows."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from res2clip_runtime.inspection import utc_now
from res2clip_runtime.overlay import draw_verdict
from res2clip_runtime.preprocess import PictureU8
from res2clip_runtime.sinks.config_checks import check_number, check_whole
from res2clip_runtime.sinks.picture_folder import JPEG_QUALITY, picture_name
from res2clip_runtime.sinks.picture_shelf import MARK, PictureShelf
from res2clip_runtime.verdict import Decision, Verdict

__all__ = ["KeptPictures", "PicturesConfig"]

_LONGEST_NAME = 160
"""Bytes of the frame's name that are kept: the whole file name may have 255."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PicturesConfig:
    """Which pictures a line keeps, where and how long."""

    folder: Path
    """Where the pictures lie, in a folder for each day (UTC)."""
    ok_share: float = 0.0
    """Share of the OK pictures that is kept, evenly: 0.01 keeps every hundredth."""
    keep_days: int = 30
    """Days that are kept beside today; 0 keeps all."""
    max_disk_share: float = 0.2
    """Share of the disk that these pictures may take; the oldest go first."""
    min_free_share: float = 0.05
    """Share of the disk that must stay free for others; the oldest pictures go first."""

    def __post_init__(self) -> None:
        check_number("pictures.ok_share", self.ok_share, least=0, most=1)
        check_whole("pictures.keep_days", self.keep_days, least=0)
        check_number("pictures.max_disk_share", self.max_disk_share, above=0, most=1)
        check_number("pictures.min_free_share", self.min_free_share, least=0, most=0.95)


class KeptPictures:
    """Draws verdicts on their pictures and keeps them on a shelf that never overflows."""

    def __init__(self, config: PicturesConfig) -> None:
        """Take stock of the folder.

        Raises:
            OutputError: the place cannot be used.
        """
        self._shelf = PictureShelf(
            config.folder,
            keep_days=config.keep_days,
            max_disk_share=config.max_disk_share,
            min_free_share=config.min_free_share,
        )
        self._ok_share = config.ok_share
        self._ok_seen = 0

    def wants(self, verdict: Verdict) -> bool:
        """Return whether this verdict's picture is kept; to be asked once a verdict, in order."""
        if not verdict.product:
            return False  # nothing was to be inspected; it would push out what was found
        if verdict.decision is not Decision.OK:
            return True
        self._ok_seen += 1
        share = self._ok_share
        return math.floor(self._ok_seen * share) > math.floor((self._ok_seen - 1) * share)

    def write(self, verdict: Verdict, picture: PictureU8 | None) -> None:
        """Draw the verdict on its (H, W, 3) uint8 RGB picture and keep it.

        Raises:
            OutputError: there is no room, or the disk refused; no half picture is left.
        """
        buffer = io.BytesIO()
        drawn = Image.fromarray(draw_verdict(verdict, picture))
        drawn.save(buffer, format="JPEG", quality=JPEG_QUALITY, comment=MARK)
        day, _, clock = (verdict.decided_at or utc_now()).partition("T")
        self._shelf.put(day, _name(verdict, clock), buffer.getvalue())

    def close(self) -> None:
        """Do nothing: every picture is on the disk already."""


def _name(verdict: Verdict, clock: str) -> str:
    """Return ``HHMMSS.mmm-<decision>-[<camera>-]<frame>.jpg``: by name is by time."""
    time_of_day = clock.replace(":", "")[:10]
    frame_id = f"{verdict.camera}-{verdict.frame_id}" if verdict.camera else verdict.frame_id
    frame = picture_name(frame_id).removesuffix(".jpg").replace("/", "_")
    frame = frame.encode()[-_LONGEST_NAME:].decode(errors="ignore")
    return f"{time_of_day}-{verdict.decision.value}-{frame}.jpg"
