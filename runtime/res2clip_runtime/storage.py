"""Files that are either the old one or the new one, never half of each."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import tempfile
from pathlib import Path

from res2clip_runtime.errors import OutputError

__all__ = [
    "cache_directory",
    "data_directory",
    "file_sha256",
    "move_durably",
    "output_error",
    "printable_name",
    "write_atomically",
]


def write_atomically(path: Path, data: bytes, *, private: bool = False) -> None:
    """Write ``data`` to ``path``: temporary name, fsync, rename, fsync of the directory.

    Args:
        path: a file, new or replaced.
        data: all of it.
        private: only its owner may read it, who stays the same: what root changes can still be
            read by the service it belongs to.

    Raises:
        OutputError: the disk is full or the place not writable; an older file stays as it was.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as err:
        raise output_error(path, err) from err
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if private:  # mkstemp made it 0600
            _keep_owner(path, temporary)
        else:
            Path(temporary).chmod(0o666 & ~_umask())
        move_durably(Path(temporary), path)
    except OSError as err:
        raise output_error(path, err) from err
    finally:
        with contextlib.suppress(FileNotFoundError):
            Path(temporary).unlink()


def move_durably(source: Path, target: Path) -> None:
    """Rename a synced file or a folder to ``target``, and sync the folder it comes to lie in.

    Raises:
        OSError: the place refused; nothing has moved.
    """
    source.replace(target)
    _sync_directory(target.parent)


def output_error(path: Path, err: OSError) -> OutputError:
    """Return the error to raise when ``path`` could not be written, with what to do next."""
    remedy = {
        errno.ENOSPC: "free some space or choose another place",
        errno.EDQUOT: "the quota is used up; free some space or choose another place",
        errno.EROFS: "the file system is read-only; choose another place",
        errno.EACCES: "no permission; choose another place",
    }.get(err.errno or 0, "choose another place")
    return OutputError(err.errno, f"cannot write {path}: {os.strerror(err.errno or 0)}; {remedy}")


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file as 64 hexadecimal digits, read in blocks."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def cache_directory() -> Path:
    """Return res2clip's folder in the user's cache directory (XDG), which may not exist yet."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "res2clip"


def data_directory() -> Path:
    """Return res2clip's folder in the user's data directory (XDG), which may not exist yet."""
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "res2clip"


def printable_name(name: str) -> str:
    """Return a file name as valid text; bytes that are no UTF-8 become hexadecimal escapes."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _keep_owner(path: Path, temporary: str) -> None:
    with contextlib.suppress(FileNotFoundError, PermissionError):
        was = path.stat()
        os.chown(temporary, was.st_uid, was.st_gid)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
