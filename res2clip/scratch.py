"""Temporary files for what does not fit into memory."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import IO

from res2clip_runtime.errors import OutputError

__all__ = ["scratch_directory", "scratch_error", "scratch_file"]


def scratch_directory() -> Path:
    """Return $TMPDIR, else /var/tmp: unlike /tmp, which is often in memory, it is on a disk."""
    if os.environ.get("TMPDIR") or not os.access("/var/tmp", os.W_OK):
        return Path(tempfile.gettempdir())
    return Path("/var/tmp")


def scratch_file() -> IO[bytes]:
    """Return a new file without a name; it is gone when closed, or when the process ends.

    Raises:
        OutputError: it cannot be made.
    """
    try:
        return tempfile.TemporaryFile(dir=scratch_directory())
    except OSError as err:
        raise scratch_error(err) from err


def scratch_error(err: OSError) -> OutputError:
    """Return the error to raise when a scratch file could not be written."""
    return OutputError(
        err.errno,
        f"cannot write a temporary file in {scratch_directory()}: "
        f"{os.strerror(err.errno or 0)}; free some space there, or set TMPDIR to another folder",
    )
