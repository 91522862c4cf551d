"""Verdicts as lines of JSON in files that change by size and day, the oldest of which go.

``results.jsonl`` is the file in use. A full one, or yesterday's, is renamed to
``results-<time>-<number>.jsonl`` after its last whole line is on the disk, and never touched again.
"""

from __future__ import annotations

import contextlib
import logging
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from math import inf
from pathlib import Path

from res2clip_runtime.errors import OutputError
from res2clip_runtime.preprocess import PictureU8
from res2clip_runtime.sinks.config_checks import check_number, check_whole
from res2clip_runtime.sinks.jsonl_file import JsonlFile
from res2clip_runtime.storage import move_durably, output_error
from res2clip_runtime.verdict import Verdict

__all__ = ["JsonlConfig", "RotatingJsonl"]

logger = logging.getLogger(__name__)

_DAY_S = 86_400.0
_CLOCK_SET_S = 1_577_836_800.0
"""2020-01-01: files from before were written with a clock that nobody had set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonlConfig:
    """The JSONL files of a line."""

    folder: Path
    """Where the files lie; made when it is not there."""
    max_file_mb: float = 64.0
    """A file of this size, in millions of bytes, is followed by a new one."""
    keep_files: int = 100
    """So many finished files are kept, the newest; 0 keeps all."""
    keep_days: float = 90.0
    """Finished files are kept so long, by the time of their last line; 0 keeps all."""

    def __post_init__(self) -> None:
        check_number("jsonl.max_file_mb", self.max_file_mb, above=0)
        check_whole("jsonl.keep_files", self.keep_files, least=0)
        check_number("jsonl.keep_days", self.keep_days, least=0)


class RotatingJsonl:
    """Appends verdicts to the file in use, renames it when it is full or of another day."""

    NAME = "results.jsonl"
    FINISHED = re.compile(r"results-\d{8}T\d{6}-(\d{6,})\.jsonl")
    """The only names that retention ever deletes."""

    def __init__(self, config: JsonlConfig, *, clock: Callable[[], float] = time.time) -> None:
        """Open the file in use; a line torn by an earlier crash is removed.

        Args:
            config: folder, sizes and retention.
            clock: seconds since 1970, for days and ages.

        Raises:
            OutputError: the place cannot be written, or another run writes there.
        """
        self._config = config
        self._clock = clock
        self._path = config.folder / self.NAME
        self._file: JsonlFile | None = JsonlFile(self._path)
        self._day = self._day_of(self._last_written())

    def write(self, verdict: Verdict, picture: PictureU8 | None = None) -> None:
        """Append one verdict.

        Raises:
            OutputError: the disk is full or gone; the file ends with the last whole line.
        """
        if self._file is None:
            self._file = JsonlFile(self._path)
            self._day = self._day_of(self._clock())
        if self._is_finished():
            self._rotate()
        self._file.write(verdict)

    def close(self) -> None:
        """Force everything to the disk and close the file.

        Raises:
            OutputError: the disk refused.
        """
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def _is_finished(self) -> bool:
        assert self._file is not None
        size = self._file.size_bytes
        if not size:
            self._day = self._day_of(self._clock())
            return False
        return size >= self._config.max_file_mb * 1e6 or self._day != self._day_of(self._clock())

    def _rotate(self) -> None:
        """Finish the file in use and begin another."""
        assert self._file is not None
        # Synced before it gets its lasting name, and renamed before it is closed: while it has the
        # old name it stays locked.
        self._file.sync()
        target = self._finished_path()
        try:
            move_durably(self._path, target)
        except OSError as err:
            # Perhaps it was renamed and only the folder's sync failed: look again at the next one.
            with contextlib.suppress(OutputError):
                self.close()
            raise output_error(target, err) from err
        self.close()
        self._delete_old()
        self._file = JsonlFile(self._path)
        self._day = self._day_of(self._clock())

    def _finished_path(self) -> Path:
        """Return a free name that sorts after all others, even if the clock was set back."""
        number = max(map(self._number, self._finished()), default=0) + 1
        moment = datetime.fromtimestamp(self._clock(), timezone.utc)
        return self._path.with_name(f"results-{moment:%Y%m%dT%H%M%S}-{number:06}.jsonl")

    def _delete_old(self) -> None:
        """Delete finished files beyond the count and age that are kept; the newest always stays."""
        files = sorted(self._finished(), key=self._number)
        keep = self._config.keep_files or len(files)
        for place, path in enumerate(files[:-1]):
            try:
                if place < len(files) - keep or self._is_aged(path.stat().st_mtime):
                    path.unlink()
                    logger.info("%s was deleted: beyond what is kept", path)
            except OSError as err:
                logger.warning("cannot delete %s: %s", path, err.strerror)

    def _is_aged(self, written_s: float) -> bool:
        # Boxes without a buffered clock start in 1970: such a time says nothing about the age.
        return _CLOCK_SET_S < written_s < self._clock() - (self._config.keep_days or inf) * _DAY_S

    def _number(self, path: Path) -> int:
        matched = self.FINISHED.fullmatch(path.name)
        return int(matched[1]) if matched else 0

    def _finished(self) -> list[Path]:
        try:
            entries = list(self._config.folder.iterdir())
        except OSError as err:
            raise output_error(self._config.folder, err) from err
        return [path for path in entries if self.FINISHED.fullmatch(path.name) and path.is_file()]

    def _last_written(self) -> float:
        try:
            status = self._path.stat()
        except OSError as err:
            raise output_error(self._path, err) from err
        return status.st_mtime if status.st_size else self._clock()

    def _day_of(self, moment_s: float) -> str:
        """Return the day in local time, as the people of a shift count it."""
        return time.strftime("%Y-%m-%d", time.localtime(moment_s))
