"""An evaluation's figures as tables, JSON and CSV."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich import box
from rich.table import Table
from rich.text import Text

from res2clip.few_shot.text import block_title, csv_text, figures_of, json_values
from res2clip.metrics import METRIC_NAMES

if TYPE_CHECKING:
    from res2clip.cli.few_shot_run import FewShotResult
    from res2clip.few_shot import Block, Row

__all__ = ["block_table", "result_csv", "result_json"]


def block_table(block: Block) -> Table:
    """Return a row per category, and their mean where there are several."""
    several = len(block.rows) > 1
    table = Table(
        box=box.SIMPLE,
        padding=0,
        show_footer=several,
        title=Text(block_title(block)),
        title_justify="left",
    )
    foot = _cells(block.mean)
    table.add_column("category", foot[0], overflow="fold")
    for name, mean in zip(METRIC_NAMES.values(), foot[1:], strict=True):
        table.add_column(name, mean, justify="right", no_wrap=True)
    for row in block.rows:
        table.add_row(*_cells(row))
    return table


def result_json(result: FewShotResult) -> dict[str, Any]:
    """Return model, tables and draws as JSON values, 0..1; undefined figures are null."""
    return {
        "model": _about(result),
        "report": str(result.report) if result.report else None,
        **json_values(result.blocks, result.cells),
    }


def result_csv(result: FewShotResult) -> str:
    """Return one line for each draw, the model in front."""
    return csv_text(result.cells, _about(result))


def _cells(row: Row) -> list[Text]:
    """Return name and figures as they are, not as rich's markup; narrow, to fit 80 columns."""
    return [Text(row.name), *(Text(cell.replace(" ± ", "±")) for cell in figures_of(row))]


def _about(result: FewShotResult) -> dict[str, str | int]:
    facts = result.facts
    return {
        "backbone": facts.backbone["name"],
        "image_size_px": facts.method.image_size_px,
        "match": facts.method.match,
        "heads": facts.heads,
        "precision": facts.method.precision,
        "encoder_id": facts.method.encoder_id[:16],
    }
