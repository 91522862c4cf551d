"""A folder of pictures by day that stays within its share of the disk: the oldest go first.

    <folder>/2026-11-25/101532.123-NG-part 17.jpg

Only pictures that carry our mark (a JPEG comment) under a name of ours are ever deleted.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
from datetime import date, timedelta
from pathlib import Path

from res2clip_runtime.errors import OutputError
from res2clip_runtime.storage import output_error, write_atomically

__all__ = ["MARK", "PictureShelf"]

logger = logging.getLogger(__name__)

MARK = b"res2clip picture"
"""The comment in every JPEG of ours; it comes within the first bytes of the file."""
_HEAD_BYTES = 4096
_BLOCK_BYTES = 4096
"""Files take whole blocks of the disk."""
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_NAME = re.compile(r"\d{6}\.\d{3}-(OK|NG|ERROR)-.+\.jpg", re.DOTALL)
_TORN = re.compile(r"\.\d{6}\.\d{3}-(OK|NG|ERROR)-.+\.jpg\.\w{8}", re.DOTALL)


class PictureShelf:
    """Knows how many bytes of ours each day holds; forgets nothing over a restart."""

    def __init__(
        self, folder: Path, *, keep_days: float, max_disk_share: float, min_free_share: float
    ) -> None:
        """Count what is there already, and remove half-written files of a killed run.

        Args:
            folder: made when it is not there.
            keep_days: days that are kept beside today; 0 keeps all.
            max_disk_share: of the file system's size, that all pictures together may take.
            min_free_share: of the file system's size, that must stay free.

        Raises:
            OutputError: the place cannot be used.
        """
        self._folder = folder
        self._keep_days = keep_days
        self._max_share = max_disk_share
        self._min_free_share = min_free_share
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._bytes = {day.name: _take_stock(day) for day in _days(folder)}
        except OSError as err:
            raise output_error(folder, err) from err
        self._spent: set[str] = set()
        self._trimmed_on = ""

    @property
    def size_bytes(self) -> int:
        """Bytes of all pictures of ours."""
        return sum(self._bytes.values())

    def put(self, day: str, name: str, jpeg: bytes) -> None:
        """Save a marked JPEG as ``<day>/<name>``, after making room for it.

        Raises:
            OutputError: there is no room left that could be made, or the disk refused.
        """
        if day != self._trimmed_on:
            self._trim_by_age(day)
            self._trimmed_on = day
        self._make_room(-(-len(jpeg) // _BLOCK_BYTES) * _BLOCK_BYTES)
        path = self._folder / day / name
        before = path.stat().st_size if path.is_file() else 0
        write_atomically(path, jpeg)
        self._bytes[day] = self._bytes.get(day, 0) + len(jpeg) - before

    def _make_room(self, needed: int) -> None:
        while True:
            try:
                disk = shutil.disk_usage(self._folder)
            except OSError as err:
                raise output_error(self._folder, err) from err
            full = disk.free - needed < self._min_free_share * disk.total
            greedy = self.size_bytes + needed > self._max_share * disk.total
            if not full and not greedy:
                return
            if not self._delete_oldest():
                limit = (
                    f"max_disk_share {self._max_share:g}"
                    if greedy
                    else f"min_free_share {self._min_free_share:g}"
                )
                raise OutputError(
                    f"no room for pictures in {self._folder}: {disk.free / 1e6:.1f} MB of "
                    f"{disk.total / 1e6:.1f} MB are free, {limit}, and there is no older picture "
                    "to delete; free some space or choose another place"
                )

    def _delete_oldest(self) -> bool:
        """Delete our oldest picture; return False when there is none."""
        for day in sorted(self._bytes.keys() - self._spent):
            folder = self._folder / day
            for name in sorted(_our_names(folder)):
                if size := _delete_marked(folder / name):
                    self._bytes[day] -= size
                    return True
            self._forget(day)
        return False

    def _trim_by_age(self, today: str) -> None:
        """Delete the days that are over, except the newest of them all."""
        if not self._keep_days or not _DAY.fullmatch(today):
            return
        oldest = (date.fromisoformat(today) - timedelta(days=self._keep_days)).isoformat()
        for day in sorted(self._bytes)[:-1]:
            if day < oldest:
                for name in _our_names(self._folder / day):
                    self._bytes[day] -= _delete_marked(self._folder / day / name)
                self._forget(day)

    def _forget(self, day: str) -> None:
        """Leave a day that holds nothing of ours any more; its folder goes if it is empty."""
        try:
            (self._folder / day).rmdir()
        except OSError:
            self._spent.add(day)  # somebody keeps other files there
        else:
            self._bytes.pop(day, None)


def _days(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if _DAY.fullmatch(path.name) and path.is_dir()]


def _our_names(day: Path) -> list[str]:
    try:
        return [name for name in os.listdir(day) if _NAME.fullmatch(name)]  # noqa: PTH208
    except OSError:
        return []


def _take_stock(day: Path) -> int:
    """Return the bytes of our pictures of a day, after removing what a killed run left torn."""
    total = 0
    with os.scandir(day) as entries:
        for entry in entries:
            if _TORN.fullmatch(entry.name):
                Path(entry.path).unlink()
            elif _NAME.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                total += entry.stat(follow_symlinks=False).st_size
    return total


def _delete_marked(path: Path) -> int:
    """Delete a picture if it is ours; return its size, or 0 if it stayed."""
    try:
        if path.is_symlink():
            return 0
        with path.open("rb") as file:
            if MARK not in file.read(_HEAD_BYTES):
                return 0
            size = os.fstat(file.fileno()).st_size
        path.unlink()
    except OSError as err:
        logger.warning("cannot delete %s: %s", path, err.strerror)
        return 0
    return size
