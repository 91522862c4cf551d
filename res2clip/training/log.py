"""The tables of a run: a row for each step, a row for each validation."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from res2clip_runtime.storage import output_error, write_atomically

__all__ = ["Row", "Table", "Value"]

Value: TypeAlias = "int | float | None"
Row: TypeAlias = "dict[str, float | None]"


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
        kept = [row for row in self.rows() if (row[columns[0]] or 0) <= upto]
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

    def rows(self) -> list[Row]:
        """Return every whole row; empty fields are None."""
        return Table.read(self.path)

    @staticmethod
    def read(path: Path) -> list[Row]:
        """Return every whole row of a file; none if there is no file."""
        if not path.exists():
            return []
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        whole = [line for line in lines if line.endswith("\n")]  # the last one may be torn
        return [
            {column: float(value) if value else None for column, value in row.items()}
            for row in csv.DictReader(whole)
        ]

    def _text(self, rows: Sequence[Mapping[str, Value]], *, header: bool) -> str:
        text = io.StringIO()
        writer = csv.DictWriter(text, self._columns, lineterminator="\n")
        if header:
            writer.writeheader()
        counter = self._columns[0]
        writer.writerows({**row, counter: int(row[counter] or 0)} for row in rows)
        return text.getvalue()
