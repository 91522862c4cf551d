"""From what the user gave (folders, globs, CSV and Parquet lists) to pictures, one by one."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from res2clip_runtime.errors import InputError, SourceError
from res2clip_runtime.sources.picture_paths import find_pictures, walk_pictures

__all__ = ["LIST_SUFFIXES", "ListedPicture", "list_pictures"]

LIST_SUFFIXES = (".csv", ".parquet")
"""Endings of files that list pictures."""


@dataclass(frozen=True, slots=True)
class ListedPicture:
    """One picture, as it was found or listed."""

    path: str
    """As the list has it, or the folder's path with the name."""
    base: Path
    """Folder that a relative ``path`` is relative to."""
    product: str | None
    """Product in the list; None where none is named."""
    place: str
    """Where it is listed, for messages."""


def list_pictures(place: str) -> Iterator[ListedPicture]:
    """Yield the pictures at ``place``, in an order that only depends on what is there.

    A folder stands for its subfolders too and is read as it is walked; a list keeps its order. A
    glob is sorted in memory.

    Args:
        place: folder, glob, picture, or a ``.csv`` or ``.parquet`` list with the column ``path``
            and, if wanted, ``product``; relative paths are relative to the list's folder.

    Raises:
        ArtefactNotFoundError: there is nothing at ``place``.
        SourceError: there are no pictures.
        InputError: a list cannot be read, has no column ``path``, or a row has no path.
    """
    path = Path(place)
    if path.is_file() and path.suffix.lower() in LIST_SUFFIXES:
        yield from _from_list(path)
        return
    empty = True
    if path.is_dir():
        for found in walk_pictures(path):
            empty = False
            yield ListedPicture(str(found), Path.cwd(), None, place)
    if empty:  # also: says what is wrong with an empty folder
        for found in find_pictures(place, subfolders=True).paths:
            yield ListedPicture(str(found), Path.cwd(), None, place)


def _from_list(path: Path) -> Iterator[ListedPicture]:
    base = path.parent.absolute()
    rows = _csv_rows(path) if path.suffix.lower() == ".csv" else _parquet_rows(path)
    empty = True
    for where, picture, product in rows:
        empty = False
        yield ListedPicture(_checked(picture, where), base, product or None, where)
    if empty:
        raise SourceError(f"the list {path} has no rows")


def _csv_rows(path: Path) -> Iterator[tuple[str, str | None, str | None]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            _require_path_column(path, list(reader.fieldnames or ()))
            for row in reader:
                yield f"{path}, line {reader.line_num}", row["path"], row.get("product")
    except (UnicodeDecodeError, csv.Error) as err:
        raise InputError(f"{path} cannot be read as CSV in UTF-8: {err}") from err


def _parquet_rows(path: Path) -> Iterator[tuple[str, str | None, str | None]]:
    row = 0
    try:
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            _require_path_column(path, names)
            columns = [name for name in ("path", "product") if name in names]
            for batch in file.iter_batches(batch_size=8192, columns=columns):
                values = [batch.column(name).cast(pa.string()).to_pylist() for name in columns]
                for picture, *product in zip(*values, strict=True):
                    row += 1
                    yield f"{path}, row {row}", picture, product[0] if product else None
    except (pa.ArrowException, OSError) as err:
        reason = str(err).splitlines()[0]
        raise InputError(f"{path} cannot be read as a Parquet list: {reason}") from err


def _require_path_column(path: Path, names: list[str]) -> None:
    if "path" not in names:
        raise InputError(
            f"{path} has no column 'path' (it has: {', '.join(map(str, names)) or 'none'}); name "
            "the column of the pictures' paths 'path', and that of the products 'product'; a CSV "
            "list is separated by commas"
        )


def _checked(picture: str | None, where: str) -> str:
    if not (picture or "").strip():
        raise InputError(f"{where}: there is no path; fill it in or remove the row")
    if "://" in str(picture):
        raise InputError(
            f"{where}: {picture} is no local path; mount the storage and list its paths"
        )
    if "\0" in str(picture):
        raise InputError(f"{where}: the path holds a null character; correct the row")
    return str(picture)
