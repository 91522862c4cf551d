"""A data set's numbers as a table and as JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from res2clip.datasets import CategoryCount
from res2clip_runtime.storage import printable_name

__all__ = ["datasets_json", "datasets_table"]

_NUMBERS = ("train_good", "test_good", "defective", "masks")


def datasets_table(counts: Sequence[CategoryCount]) -> Table:
    """Return a row for each category, and the sums where there are several."""
    table = Table(box=box.SIMPLE, pad_edge=False, show_footer=len(counts) > 1)
    longest = max(len(count.name) for count in counts)
    kinds = len({defect for count in counts for defect in count.defects})
    table.add_column("category", f"all {len(counts)}", overflow="fold", min_width=min(longest, 30))
    table.add_column("layout")
    for name in _NUMBERS:
        total = sum(getattr(count, name) for count in counts)
        table.add_column(name.replace("_", "\n"), str(total), justify="right")
    table.add_column("defects", f"{kinds} kind{'s' * (kinds != 1)}", overflow="fold")
    for count in counts:
        defects = ", ".join(f"{name} {number}" for name, number in count.defects.items())
        cells = [count.name, count.layout, *(str(getattr(count, name)) for name in _NUMBERS)]
        # Names are shown, not read as rich's markup.
        table.add_row(*(Text(printable_name(cell)) for cell in (*cells, defects)))
    return table


def datasets_json(counts: Sequence[CategoryCount]) -> dict[str, Any]:
    """Return the numbers as JSON values."""
    return {"categories": [dataclasses.asdict(count) for count in counts]}
