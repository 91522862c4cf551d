"""Few-shot figures as Markdown, JSON values and CSV."""

from __future__ import annotations

import csv
import dataclasses
import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

from res2clip.few_shot.cell import Cell
from res2clip.few_shot.table import Block, Row
from res2clip.metrics import METRIC_NAMES, Metrics

__all__ = ["UNDEFINED", "block_title", "csv_text", "figures_of", "json_values", "markdown_text"]

UNDEFINED = "-"
"""In place of a figure that has no value."""
_CSV_DIGITS = 6


def block_title(block: Block) -> str:
    """Return what a block shows: ``training-free, 4 shots, mean ± spread of 5 draws``."""
    shots = f"{block.shots} shot{'' if block.shots == 1 else 's'}"
    draws = f"mean ± spread of {block.draws} draws" if block.draws > 1 else "1 draw"
    return f"{block.detector}, {shots}, {draws}"


def figures_of(row: Row) -> list[str]:
    """Return a row's seven figures in percent, with their spread: ``97.9 ± 0.4``."""
    means = dataclasses.astuple(row.mean)
    spreads = dataclasses.astuple(row.spread) if row.spread else (None,) * len(means)
    return [_figure(mean, spread) for mean, spread in zip(means, spreads, strict=True)]


def markdown_text(blocks: Sequence[Block]) -> str:
    """Return one Markdown table per block, figures in percent."""
    head = ["category", *METRIC_NAMES.values()]
    ruler = ["---", *("---:" for _ in METRIC_NAMES)]
    parts = []
    for block in blocks:
        rows = [[_escaped(row.name), *figures_of(row)] for row in block.rows]
        rows.append([f"**{cell}**" for cell in (block.mean.name, *figures_of(block.mean))])
        lines = [f"| {' | '.join(cells)} |" for cells in (head, ruler, *rows)]
        parts.append("\n".join([f"**{_escaped(block_title(block))}**", "", *lines, ""]))
    return "\n".join(parts)


def json_values(blocks: Sequence[Block], cells: Sequence[Cell]) -> dict[str, Any]:
    """Return blocks and single draws as JSON values, 0..1; undefined figures are null."""
    return {
        "blocks": [
            {
                "detector": block.detector,
                "shots": block.shots,
                "categories": [_row_values(row) for row in block.rows],
                "mean": _row_values(block.mean),
            }
            for block in blocks
        ],
        "draws": [
            {
                "detector": cell.detector,
                "category": cell.category,
                "shots": cell.shots,
                "seed": cell.seed,
                **_values(cell.metrics),
            }
            for cell in cells
        ],
    }


def csv_text(cells: Sequence[Cell], about: Mapping[str, str | int]) -> str:
    """Return one line for each draw, 0..1; an undefined figure is an empty cell.

    Args:
        cells: the draws.
        about: columns in front that are the same in every line.
    """
    buffer = io.StringIO()
    names = [field.name for field in dataclasses.fields(Metrics)]
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([*about, "detector", "category", "shots", "seed", *names])
    for cell in cells:
        figures = [
            round(value, _CSV_DIGITS) if math.isfinite(value) else ""
            for value in dataclasses.astuple(cell.metrics)
        ]
        place = [cell.detector, cell.category, cell.shots, cell.seed]
        writer.writerow([*about.values(), *place, *figures])
    return buffer.getvalue()


def _figure(mean: float, spread: float | None) -> str:
    if not math.isfinite(mean):
        return UNDEFINED
    text = f"{100 * mean:.1f}"
    return text if spread is None else f"{text} ± {100 * spread:.1f}"


def _row_values(row: Row) -> dict[str, Any]:
    return {
        "category": row.name,
        "draws": row.draws,
        "figures": _values(row.mean),
        "spread": _values(row.spread) if row.spread else None,
    }


def _values(metrics: Metrics) -> dict[str, float | None]:
    values = dataclasses.asdict(metrics)
    return {name: value if math.isfinite(value) else None for name, value in values.items()}


def _escaped(name: str) -> str:
    return name.replace("\\", "\\\\").replace("|", "\\|").replace("*", "\\*").replace("<", "&lt;")
