"""A source that waits for pictures to be written into a folder."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from res2clip_runtime.errors import ArtefactNotFoundError, SourceError
from res2clip_runtime.file_version import FileVersion
from res2clip_runtime.inspection import utc_now
from res2clip_runtime.sources.frame import Frame
from res2clip_runtime.sources.picture_paths import walk_pictures
from res2clip_runtime.sources.source import Source
from res2clip_runtime.storage import printable_name

__all__ = ["FolderWatch", "ends_like_a_picture"]

logger = logging.getLogger(__name__)

_POLL_S = 0.1
_SETTLED_S = 0.3
"""A file that has not changed for so long, and whose end is there, is complete."""
_GIVEN_UP_S = 5.0
"""One whose end is missing is given after so long, so that the verdict says that it is damaged."""


@dataclass(frozen=True, slots=True)
class _Candidate:
    version: FileVersion
    since_s: float


class FolderWatch(Source):
    """Each picture once that appears in a folder or its subfolders, when it is complete.

    It asks again and again instead of being told, because shares of other machines tell nothing.
    A picture that replaces another under the same name is a new one.
    """

    waits = True

    def __init__(
        self, folder: Path, *, existing: bool = False, exclude: Sequence[Path] = ()
    ) -> None:
        """Begin to watch ``folder``.

        Args:
            folder: where pictures will be written.
            existing: whether those count that are there already.
            exclude: folders inside it that are left out.

        Raises:
            ArtefactNotFoundError: there is no such folder.
            SourceError: it cannot be read.
        """
        if not folder.is_dir():
            raise ArtefactNotFoundError(
                f"there is no folder {folder} to watch; make it, or check the path"
            )
        self._folder, self._exclude = folder, tuple(exclude)
        self._given: dict[Path, FileVersion] = {}
        self._candidates: dict[Path, _Candidate] = {}
        self._ready: list[Path] = []
        self._gone = False
        found = self._found()
        if not existing:
            self._given = found

    def describe(self) -> str:
        """Return the folder."""
        return f"{self._folder} (new pictures in this folder)"

    def read(self, timeout_s: float) -> Frame | None:
        """Return the next complete picture, by time of writing; see :class:`Source`."""
        end = time.monotonic() + timeout_s
        while True:
            start = time.monotonic()
            if not self._ready:
                self._look()
            if self._ready:
                return self._frame(self._ready.pop(0))
            now = time.monotonic()
            if now >= end:
                return None
            # A folder of a million files is not listed ten times a second.
            time.sleep(min(end - now, max(_POLL_S, 4 * (now - start))))

    def trouble(self) -> str:
        """Return why nothing can come now: the folder is gone; see :class:`Source`."""
        try:
            os.scandir(self._folder).close()
        except OSError as err:
            return f"the folder {self._folder} cannot be read: {err.strerror}; bring it back"
        return ""

    def close(self) -> None:
        """Do nothing: no file is held open."""

    def _look(self) -> None:
        """List the folder and note what has come and what is complete."""
        try:
            found = self._found()
        except SourceError as err:
            if not self._gone:
                logger.warning("%s; watching goes on when it is back", err)
            self._gone = True
            return
        self._gone = False
        now = time.monotonic()
        candidates: dict[Path, _Candidate] = {}
        complete: list[tuple[int, Path]] = []
        for path, version in found.items():
            if self._given.get(path) == version:
                continue
            before = self._candidates.get(path)
            if before is None or before.version != version:
                candidates[path] = _Candidate(version, now)
            elif _is_complete(path, unchanged_s=now - before.since_s):
                complete.append((version.modified_ns, path))
                self._given[path] = version
            else:
                candidates[path] = before
        # What was deleted may come again; and nothing grows for ever.
        self._given = {path: v for path, v in self._given.items() if path in found}
        self._candidates = candidates
        self._ready = [path for _, path in sorted(complete)]

    def _found(self) -> dict[Path, FileVersion]:
        found = {}
        for path in walk_pictures(self._folder, exclude=self._exclude):
            try:
                state = path.stat()
            except OSError:
                continue  # deleted, or renamed, since it was listed
            found[path] = FileVersion.of(state)
        return found

    def _frame(self, path: Path) -> Frame:
        version = self._given[path]
        written = datetime.fromtimestamp(version.modified_ns / 1e9, timezone.utc)
        name = printable_name(path.relative_to(self._folder).as_posix())
        stamp = written.strftime("%Y%m%dT%H%M%S") + f"{version.modified_ns // 1_000_000 % 1000:03d}"
        return Frame(
            frame_id=f"{name}@{stamp}",
            image=path,
            captured_at=utc_now(),
            # It may wait for the model: what replaces it meanwhile is another part's picture.
            file_version=version,
        )


def ends_like_a_picture(path: Path) -> bool:
    """Return whether a PNG or JPEG has its end; True for other formats, which have none.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(8)
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - 64))
        tail = file.read()
    if head.startswith(b"\x89PNG"):
        return b"IEND" in tail
    if head.startswith(b"\xff\xd8"):
        return b"\xff\xd9" in tail
    return bool(head)


def _is_complete(path: Path, *, unchanged_s: float) -> bool:
    if unchanged_s < _SETTLED_S:
        return False
    try:
        return ends_like_a_picture(path) or unchanged_s >= _GIVEN_UP_S
    except OSError:
        return False
