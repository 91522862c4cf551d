"""Every picture of a run, each once, in order: on disk, so that memory stays small."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator

from res2clip_runtime.closable import Closable
from res2clip_runtime.errors import OutputError
from res2clip_runtime.picture_archive.listing import ListedPicture
from res2clip_runtime.picture_archive.shard import Item, Shard

__all__ = ["Worklist"]

_TABLE = """
CREATE TABLE item (
    number INTEGER PRIMARY KEY, path BLOB, file BLOB, product TEXT, UNIQUE (file, product)
)"""


class Worklist(Closable):
    """Owns an unnamed SQLite database that the system removes with the process."""

    def __init__(
        self, pictures: Iterable[ListedPicture], product_of: Callable[[ListedPicture], str]
    ) -> None:
        """Take in the pictures; one that is there already (same file, same product) is left out.

        Raises:
            OutputError: there is no space for temporary files.
            Res2ClipError: whatever ``pictures`` and ``product_of`` raise.
        """
        self._database = sqlite3.connect("", isolation_level=None)
        # It is never read again after a crash: no journal, no syncing.
        for pragma in ("journal_mode = OFF", "synchronous = OFF", "temp_store = FILE"):
            self._database.execute(f"PRAGMA {pragma}")
        self.count = 0
        self.duplicates = 0
        digest = hashlib.sha256()
        try:
            self._database.execute(_TABLE)
            self._database.execute("BEGIN")
            for picture in pictures:
                self._add(picture, product_of(picture), digest.update)
            self._database.execute("COMMIT")
        except sqlite3.Error as err:
            raise OutputError(
                f"the list of pictures cannot be kept in a temporary file: {err}; free some space, "
                "or set TMPDIR to a folder with more"
            ) from err
        self.sha256 = digest.hexdigest()

    def shards(self, numbers: Iterable[int], *, size: int) -> Iterator[Shard]:
        """Yield the shards with these numbers when the list is cut into pieces of ``size``."""
        for number in numbers:
            rows = self._database.execute(
                "SELECT path, file, product FROM item WHERE number > ? AND number <= ? "
                "ORDER BY number",
                (number * size, (number + 1) * size),
            )
            items = (Item(os.fsdecode(path), os.fsdecode(file), p) for path, file, p in rows)
            yield Shard(number, tuple(items))

    def close(self) -> None:
        """Drop the list."""
        self._database.close()

    def _add(self, picture: ListedPicture, product: str, update: Callable[[bytes], None]) -> None:
        path = os.fsencode(picture.path)
        file = os.path.abspath(os.path.join(os.fsencode(picture.base), path))  # noqa: PTH100, PTH118 (a Path cannot hold bytes)
        added = self._database.execute(
            "INSERT OR IGNORE INTO item VALUES (?, ?, ?, ?)", (self.count + 1, path, file, product)
        ).rowcount
        if not added:
            self.duplicates += 1
            return
        self.count += 1
        for part in (path, file, product.encode()):
            update(len(part).to_bytes(4, "big") + part)
