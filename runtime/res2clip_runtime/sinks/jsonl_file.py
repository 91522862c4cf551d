"""Verdicts as lines of JSON, appended to a file that survives crashes and full disks.

A line is handed to the kernel before the next picture is inspected, so that a killed process
loses nothing; it is forced to the disk at most once a second, so that a power cut loses at most
the last second.
"""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
import time
from pathlib import Path

from res2clip_runtime.errors import OutputError
from res2clip_runtime.preprocess import PictureU8
from res2clip_runtime.storage import output_error
from res2clip_runtime.verdict import Verdict

__all__ = ["JsonlFile", "check_unlocked"]

logger = logging.getLogger(__name__)

SYNC_INTERVAL_S = 1.0
_BLOCK = 1 << 16


def check_unlocked(path: Path) -> None:
    """Look whether another run writes ``path``, which is neither made nor changed.

    Raises:
        OutputError: another run does, or the file cannot be written.
    """
    try:
        handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    except OSError as err:
        raise output_error(path, err) from err
    try:
        _lock(handle, path)
    finally:
        os.close(handle)


class JsonlFile:
    """A file of one verdict a line; owns it alone until closed."""

    def __init__(self, path: Path) -> None:
        """Open ``path`` for appending; a line torn by an earlier crash is removed.

        Raises:
            OutputError: the place cannot be written, or another run writes there.
        """
        self._path = path
        self._synced_at = time.monotonic()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError as err:
            raise output_error(path, err) from err
        try:
            _lock(self._handle, path)
            self._size = self._recover()
        except OSError as err:
            os.close(self._handle)
            raise err if isinstance(err, OutputError) else output_error(path, err) from err

    def write(self, verdict: Verdict, picture: PictureU8 | None = None) -> None:
        """Append one verdict.

        Raises:
            OutputError: the disk is full or gone; the file ends with the last whole line.
        """
        line = (json.dumps(verdict.to_json(), ensure_ascii=False, allow_nan=False) + "\n").encode()
        try:
            self._append(line)
            if time.monotonic() - self._synced_at >= SYNC_INTERVAL_S:
                self._sync()
        except OSError as err:
            raise output_error(self._path, err) from err

    @property
    def size_bytes(self) -> int:
        """Bytes of whole lines in the file."""
        return self._size

    def sync(self) -> None:
        """Force everything to the disk.

        Raises:
            OutputError: the disk refused.
        """
        try:
            self._sync()
        except OSError as err:
            raise output_error(self._path, err) from err

    def close(self) -> None:
        """Force everything to the disk and close the file.

        Raises:
            OutputError: the disk refused.
        """
        handle, self._handle = self._handle, -1
        if handle < 0:
            return
        try:
            os.fsync(handle)
        except OSError as err:
            raise output_error(self._path, err) from err
        finally:
            os.close(handle)

    def _recover(self) -> int:
        """Return the size of the file after its last line is made whole."""
        size = os.fstat(self._handle).st_size
        end = self._end_of_last_line(size)
        if end == size:
            return size
        torn = os.pread(self._handle, size - end, end)
        if _is_json(torn):
            self._size = size
            self._append(b"\n")
            return self._size
        os.ftruncate(self._handle, end)
        logger.warning(
            "%s ended in a torn line (%d bytes, an earlier run was cut off); it was removed",
            self._path,
            size - end,
        )
        return end

    def _end_of_last_line(self, size: int) -> int:
        end = size
        while end > 0:
            start = max(0, end - _BLOCK)
            newline = os.pread(self._handle, end - start, start).rfind(b"\n")
            if newline >= 0:
                return start + newline + 1
            end = start
        return 0

    def _append(self, line: bytes) -> None:
        """Write the whole line, or leave the file as it was."""
        done = 0
        try:
            while done < len(line):
                done += os.pwrite(self._handle, line[done:], self._size + done)
        except OSError:
            os.ftruncate(self._handle, self._size)
            raise
        self._size += done

    def _sync(self) -> None:
        os.fsync(self._handle)
        self._synced_at = time.monotonic()


def _lock(handle: int, path: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as err:
        raise OutputError(
            errno.EWOULDBLOCK,
            f"another run is writing {path}; wait for it, or choose another --out",
        ) from err


def _is_json(data: bytes) -> bool:
    try:
        return isinstance(json.loads(data), dict)
    except ValueError:
        return False
