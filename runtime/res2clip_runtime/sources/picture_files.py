"""A source of still picture files."""

from __future__ import annotations

from res2clip_runtime.errors import SourceEnded
from res2clip_runtime.inspection import utc_now
from res2clip_runtime.sources.frame import Frame
from res2clip_runtime.sources.picture_paths import PicturePaths
from res2clip_runtime.sources.source import Source

__all__ = ["PictureFiles"]


class PictureFiles(Source):
    """Picture files in sorted order; each is read only when it is inspected."""

    def __init__(self, pictures: PicturePaths, place: str) -> None:
        """Yield ``pictures``, which were found at ``place``."""
        self._pictures = pictures
        self._place = place
        self._paths = iter(pictures.paths)

    @property
    def count(self) -> int:
        """How many pictures there are."""
        return len(self._pictures.paths)

    def describe(self) -> str:
        """Return the place and the number of pictures."""
        return f"{self._place} ({self.count} picture{'s' if self.count > 1 else ''})"

    def read(self, timeout_s: float) -> Frame:
        """Return the next picture, not yet decoded; see :class:`Source`."""
        path = next(self._paths, None)
        if path is None:
            raise SourceEnded(f"{self._place} holds no more pictures")
        return Frame(frame_id=self._pictures.name_of(path), image=path, captured_at=utc_now())

    def close(self) -> None:
        """Do nothing: no file is held open."""
