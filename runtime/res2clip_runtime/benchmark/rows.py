"""Rows of figures as text, CSV, and a CSV file that grows."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from res2clip_runtime.errors import OutputError
from res2clip_runtime.storage import output_error, write_atomically

__all__ = ["Row", "append_csv", "as_csv", "as_text"]

Row: TypeAlias = Mapping[str, object]


def as_text(rows: Sequence[Row]) -> str:
    """Return the rows as columns for a terminal, under the first row's names."""
    columns = list(rows[0])
    cells = [[_figure(row.get(c, "")) for c in columns] for row in rows]
    widths = [max(len(c), *(len(line[i]) for line in cells)) for i, c in enumerate(columns)]
    return "\n".join(
        "  ".join(text.rjust(width) for text, width in zip(line, widths, strict=True))
        for line in (columns, *cells)
    )


def as_csv(rows: Sequence[Row]) -> str:
    """Return the rows as CSV with every column that any of them has."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def append_csv(path: Path, rows: Sequence[Row]) -> None:
    """Add rows to a CSV file; columns that are new to it become its last.

    Raises:
        OutputError: the file cannot be read or written; it stays as it was.
    """
    earlier: list[dict[str, str]] = []
    if path.exists():
        try:
            with path.open(newline="", encoding="utf-8") as file:
                earlier = list(csv.DictReader(file))
        except OSError as err:
            raise output_error(path, err) from err
        except (UnicodeDecodeError, csv.Error) as err:
            raise OutputError(None, f"{path} is no CSV file: {err}; move it away") from err
    write_atomically(path, as_csv([*earlier, *rows]).encode())


def _figure(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
