"""`res2clip draw`: pictures of drawn products, good and defective, to try everything with."""

from __future__ import annotations

import json
from enum import Enum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from res2clip_runtime.errors import MissingExtraError

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class Layout(str, Enum):
    """Folder layouts of the data set."""

    mvtec = "mvtec"


def draw(
    out: Annotated[Path, typer.Option("--out", help="Folder for the products' folders.")],
    layout: Annotated[Layout, typer.Option("--format", help="Folder layout.")] = Layout.mvtec,
    product: Annotated[
        list[str] | None,
        typer.Option(
            "--product",
            help='What to draw, such as "washer" or "gear_3" (repeatable); "all" or "all_3" for '
            "one of each family. [flange]",
        ),
    ] = None,
    train: Annotated[int, typer.Option("--train", help="Good pictures to teach from.")] = 10,
    count_good: Annotated[int, typer.Option("--count-good", help="Good pictures to test.")] = 20,
    count_defect: Annotated[
        int, typer.Option("--count-defect", help="Pictures to test, for each defect.")
    ] = 10,
    size: Annotated[int, typer.Option("--size", help="Side of the pictures in pixels.")] = 512,
    seed: Annotated[int, typer.Option("--seed", help="Another seed, other pictures.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Draw pictures of products with and without defects, with exact masks."""
    from rich.console import Console
    from rich.progress import Progress

    try:
        from res2clip.drawing import DatasetPlan, Product, write_mvtec
    except ModuleNotFoundError as err:
        raise MissingExtraError(str(err.name), extra="train", purpose="res2clip draw") from err

    del layout  # there is only one
    plan = DatasetPlan(train=train, good=count_good, defect=count_defect, size_px=size, seed=seed)
    products = [item for name in product or ["flange"] for item in Product.parse_all(name)]
    folders = []
    with Progress(console=Console(stderr=True), disable=as_json) as bar:
        for item in products:
            task = bar.add_task(item.name, total=plan.count(item))
            show = partial(_update, bar, task)
            folders.append(write_mvtec(out, item, plan, progress=show))
    if as_json:
        rows = [
            {"product": item.name, "path": str(folder), "pictures": plan.count(item)}
            for item, folder in zip(products, folders, strict=True)
        ]
        typer.echo(json.dumps({"products": rows}))
    else:
        typer.echo("\n".join(str(folder) for folder in folders))


def _update(bar: Progress, task: TaskID, done: int) -> None:
    bar.update(task, completed=done)
