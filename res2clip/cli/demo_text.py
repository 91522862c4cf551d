"""A demo's results as a table, as the next commands to type, and as JSON."""

from __future__ import annotations

import dataclasses
import math
import shlex
from typing import TYPE_CHECKING, Any

from rich import box
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from res2clip.cli.demonstration import Demonstration
    from res2clip.confusion import Confusion
    from res2clip.metrics import Metrics

__all__ = ["demo_json", "demo_table", "next_steps"]

_HEAD = ("category", "I-AUROC", "P-AUROC", "good OK", "overkill", "defect NG", "underkill")


def demo_table(demonstration: Demonstration) -> Table:
    """Return one row for each category, and one for all where there are several."""
    report = demonstration.report
    several = len(report.categories) > 1
    errors = report.summary.error > 0
    table = Table(box=box.SIMPLE, show_footer=several)
    rows = [
        _row(result.name, result.evaluation.metrics, result.evaluation.confusion, errors)
        for result in report.categories
    ]
    foot = _row("all", report.mean, report.confusion, errors)
    for index, name in enumerate((*_HEAD, "ERROR") if errors else _HEAD):
        table.add_column(name, foot[index], justify="right" if index else "left", overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table


def next_steps(demonstration: Demonstration) -> str:
    """Return the report's place and what to type next, with real paths."""
    folder, result = demonstration.folder, demonstration.report.categories[0]
    test = result.evaluation.category.test_folder
    recipe, bundle = folder.recipe_of(result.name), folder.bundle
    run = shlex.join(
        ["res2clip-run", "--source", str(test), "--recipe", str(recipe), "--bundle", str(bundle)]
    )
    teach = shlex.join(["res2clip-run", "teach", "--bundle", str(bundle), "--product", "NAME"])
    return "\n".join(
        [
            f"report:   {folder.report}",
            f"results:  {folder.results}",
            f"pictures: {folder.pictures}",
            f"took {demonstration.seconds:.0f} s. Next, without torch:",
            f"  {run}",
            f"  {teach} GOOD_PICTURES...",
            "or all of this on your own pictures (MVTec AD's layout):",
            "  res2clip demo --data DIR --out OTHER",
        ]
    )


def demo_json(demonstration: Demonstration) -> dict[str, Any]:
    """Return the results as JSON values; undefined figures are null."""
    folder, report = demonstration.folder, demonstration.report
    return {
        "report": str(folder.report),
        "results": str(folder.results),
        "pictures": str(folder.pictures),
        "bundle": str(folder.bundle),
        "seconds": round(demonstration.seconds, 1),
        "summary": report.summary.to_json(),
        "mean": _metrics_json(report.mean),
        "confusion": dataclasses.asdict(report.confusion),
        "categories": [
            {
                "name": result.name,
                "recipe": str(folder.recipe_of(result.name)),
                "references": [reference.name for reference in result.recipe.references],
                "doubts": [{"name": d.name, "message": d.message} for d in result.doubts],
                "metrics": _metrics_json(result.evaluation.metrics),
                "confusion": dataclasses.asdict(result.evaluation.confusion),
                "seconds": round(result.evaluation.seconds, 3),
            }
            for result in report.categories
        ],
    }


def _row(name: str, metrics: Metrics, confusion: Confusion, errors: bool) -> list[Text]:
    cells = [
        name,
        _percent(metrics.i_auroc),
        _percent(metrics.p_auroc),
        f"{confusion.good_ok}/{confusion.good}",
        str(confusion.good_ng),
        f"{confusion.defective_ng}/{confusion.defective}",
        str(confusion.defective_ok),
    ]
    if errors:
        cells.append(str(confusion.good_error + confusion.defective_error))
    return [Text(cell) for cell in cells]  # names are shown, not read as rich's markup


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %" if math.isfinite(value) else "-"


def _metrics_json(metrics: Metrics) -> dict[str, float | None]:
    values = dataclasses.asdict(metrics)
    return {name: value if math.isfinite(value) else None for name, value in values.items()}
