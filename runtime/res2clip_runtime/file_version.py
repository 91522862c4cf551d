"""Which version of a file is meant, where files are replaced under the same name."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from res2clip_runtime.errors import ArtefactNotFoundError, InputError

__all__ = ["FileVersion", "read_version"]


@dataclass(frozen=True, slots=True)
class FileVersion:
    """What tells a file from the one that replaces it under the same name."""

    inode: int
    size: int
    modified_ns: int

    @classmethod
    def of(cls, state: os.stat_result) -> FileVersion:
        """Return the version that a file's status tells of."""
        return cls(state.st_ino, state.st_size, state.st_mtime_ns)

    @classmethod
    def at(cls, path: Path) -> FileVersion | None:
        """Return the version that lies at ``path`` now, or None if there is none to be seen."""
        try:
            return cls.of(path.stat())
        except OSError:
            return None


def read_version(path: Path, expected: FileVersion) -> bytes:
    """Return the bytes of ``path``, which must be those of ``expected``.

    Raises:
        ArtefactNotFoundError: it is not there any more.
        InputError: another file has its name now, it was written to, or it cannot be read.
    """
    try:
        with path.open("rb") as file:
            before = FileVersion.of(os.fstat(file.fileno()))
            data = file.read()
            after = FileVersion.of(os.fstat(file.fileno()))
    except FileNotFoundError as err:
        raise ArtefactNotFoundError(
            f"{path} was deleted before it was inspected; delete pictures only after their verdict"
        ) from err
    except OSError as err:
        raise InputError(f"{path} cannot be read: {err.strerror or err}") from err
    if not before == after == expected:
        raise InputError(
            f"{path} was replaced before it was inspected; give every picture a name of its own, "
            "or write more slowly"
        )
    return data
