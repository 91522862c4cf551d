"""The tables of a run: a row for each step, a row for each validation."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path

from res2clip_runtime.storage import output_error, write_atomically

__all__ = ["Table", "Value"]

Value = int | float | None


class Table:
    """A CSV file that grows; its first column counts."""

    def __init__(self, path: Path, columns: tuple[str, ...], *, upto: int) -> None:
        """Open or begin a table, without the rows that will be written again.

        Args:
            path: of the file.
            columns: their names; the first is the counter.
            upto: rows with a higher counter are dropped.

        Raises:
            OutputError: the file cannot be written.
        """
        self.path = path
        self._columns = columns
        kept = [row for row in self.rows() if int(row[columns[0]] or 0) <= upto]
        write_atomically(path, self._text(kept, header=True).encode())

    def append(self, row: Mapping[str, Value]) -> None:
        """Write a row; what it does not hold stays empty.

        Raises:
            OutputError: the file cannot be written.
        """
        try:
            with self.path.open("a", encoding="utf-8", newline="") as file:
                file.write(self._text([row], header=False))
        except OSError as err:
            raise output_error(self.path, err) from err

    def rows(self) -> list[dict[str, float | None]]:
        """Return every whole row; empty fields are None."""
        if not self.path.exists():
            return []
        with self.path.open(encoding="utf-8", newline="") as file:
            found = [row for row in csv.DictReader(file) if _is_whole(row, self._columns)]
        return [{c: float(row[c]) if row[c] else None for c in self._columns} for row in found]

    def _text(self, rows: list[Mapping[str, Value]], *, header: bool) -> str:
        text = io.StringIO()
        writer = csv.DictWriter(text, self._columns, lineterminator="\n")
        if header:
            writer.writeheader()
        counter = self._columns[0]
        writer.writerows({**row, counter: int(row[counter] or 0)} for row in rows)
        return text.getvalue()


def _is_whole(row: Mapping[str, str | None], columns: tuple[str, ...]) -> bool:
    """Return whether a row was written to its end; the last one may be torn."""
    return all(row.get(column) is not None for column in columns) and bool(row[columns[0]])
