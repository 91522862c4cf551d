"""From what the user typed (picture, folder, glob) to a sorted list of picture files."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from res2clip_runtime.errors import ArtefactNotFoundError, SourceError
from res2clip_runtime.storage import printable_name

__all__ = [
    "PICTURE_SUFFIXES",
    "VIDEO_SUFFIXES",
    "PicturePaths",
    "find_pictures",
    "is_pattern",
    "walk_pictures",
]

PICTURE_SUFFIXES = frozenset(
    (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".pgm", ".ppm", ".jp2", ".gif")
)
"""Endings that count as pictures inside a folder or glob."""

VIDEO_SUFFIXES = frozenset(
    (".mp4", ".avi", ".mkv", ".mov", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv", ".mjpeg", ".mjpg")
)
"""Endings that count as videos."""

_KNOWN_ENDINGS = f"known endings: {' '.join(sorted(PICTURE_SUFFIXES))}"


@dataclass(frozen=True, slots=True)
class PicturePaths:
    """Picture files below one folder."""

    root: Path
    """Folder that their names are relative to."""
    paths: tuple[Path, ...]
    """The files, sorted, never empty."""

    def name_of(self, path: Path) -> str:
        """Return the path relative to ``root``, with forward slashes."""
        return printable_name(path.relative_to(self.root).as_posix())


def is_pattern(place: str) -> bool:
    """Return whether ``place`` is a glob such as ``line1/*.png`` (and not an existing file)."""
    return glob.has_magic(place) and not Path(place).exists()


def find_pictures(
    place: str, *, subfolders: bool = False, exclude: Sequence[Path] = ()
) -> PicturePaths:
    """Return the picture files at ``place``.

    A picture named directly is taken whatever its ending; in a folder or glob the known endings
    count, and hidden files and folders do not.

    Args:
        place: picture file, folder or glob (``**`` reaches into subfolders).
        subfolders: whether a folder stands for its subfolders too.
        exclude: folders that are left out.

    Raises:
        ArtefactNotFoundError: there is nothing at ``place``.
        SourceError: there are no pictures at ``place``.
    """
    path = Path(place)
    if path.is_dir():
        return PicturePaths(path, _in_folder(path, subfolders=subfolders, exclude=exclude))
    if path.exists():
        return PicturePaths(path.parent, (path,))
    if not is_pattern(place):
        raise ArtefactNotFoundError(f"there is nothing at {place}; check the path")
    matches = (Path(match) for match in glob.iglob(place, recursive=True))  # noqa: PTH207 (absolute patterns)
    left_out = {folder.resolve() for folder in exclude}
    found = tuple(
        sorted(
            p
            for p in matches
            if _is_picture(p.name) and p.is_file() and not left_out & set(p.resolve().parents)
        )
    )
    if not found:
        raise SourceError(f"no picture matches {place}; {_KNOWN_ENDINGS}")
    return PicturePaths(_fixed_part(path), found)


def walk_pictures(folder: Path, *, exclude: Sequence[Path] = ()) -> Iterator[Path]:
    """Yield the picture files in a folder and its subfolders, sorted, without holding them all.

    Raises:
        SourceError: a folder cannot be read.
    """
    left_out = {path.resolve() for path in exclude}
    try:
        with os.scandir(folder) as found:
            entries = sorted(
                (entry.name, entry.is_dir(), entry.is_symlink())
                for entry in found
                if not entry.name.startswith(".")
            )
    except OSError as err:
        raise SourceError(f"the folder {err.filename} cannot be read: {err.strerror}") from err
    for name, is_folder, is_link in entries:
        path = folder / name
        if not is_folder and _is_picture(name):
            yield path
        elif is_folder and not is_link and path.resolve() not in left_out:
            yield from walk_pictures(path, exclude=exclude)


def _in_folder(folder: Path, *, subfolders: bool, exclude: Sequence[Path]) -> tuple[Path, ...]:
    found = list(walk_pictures(folder, exclude=exclude))
    taken = tuple(p for p in found if subfolders or p.parent == folder)
    if taken:
        return taken
    hint = _KNOWN_ENDINGS
    if found:
        inner = found[0].parent
        hint = f"its subfolders do: give {inner}, or the glob '{folder}/**/*{found[0].suffix}'"
    raise SourceError(f"the folder {folder} holds no pictures; {hint}")


def _is_picture(name: str) -> bool:
    return not name.startswith(".") and Path(name).suffix.lower() in PICTURE_SUFFIXES


def _fixed_part(pattern: Path) -> Path:
    """Return the folder that every match of the glob lies in."""
    fixed = Path(pattern.anchor)
    for part in pattern.parts[len(fixed.parts) : -1]:
        if glob.has_magic(part):
            break
        fixed /= part
    return fixed
