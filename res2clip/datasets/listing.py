"""What lies in a folder, sorted; hidden files and folders do not count."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from res2clip_runtime.sources.picture_paths import PICTURE_SUFFIXES

__all__ = ["pictures", "subfolders"]


def pictures(folder: Path) -> tuple[Path, ...]:
    """Return the picture files right in ``folder``; none where there is no such folder."""
    return tuple(
        path
        for path in _sorted_entries(folder)
        if path.suffix.lower() in PICTURE_SUFFIXES and path.is_file()
    )


def subfolders(folder: Path) -> tuple[Path, ...]:
    """Return the folders right in ``folder``; none where there is no such folder."""
    return tuple(path for path in _sorted_entries(folder) if path.is_dir())


def _sorted_entries(folder: Path) -> Iterable[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
