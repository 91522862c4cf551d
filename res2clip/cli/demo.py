"""``res2clip demo``: everything once, on drawn pictures or on your own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from res2clip.cli.demo_text import demo_json, demo_table, next_steps
from res2clip.cli.model_options import BackboneOption, ImageSizeOption, load_model
from res2clip.cli.step_progress import step_progress
from res2clip_runtime.cli.group import warn

if TYPE_CHECKING:
    from res2clip.cli.demonstration import Demonstration

__all__ = ["demo"]


def demo(
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Everything is written below this folder.")
    ] = Path("demo-out"),
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Your pictures: a category folder in MVTec AD's layout (train/good, test/*, "
            "ground_truth/*), a folder of such, or another layout that `res2clip datasets` knows. "
            "By default a product is drawn.",
        ),
    ] = None,
    shots: Annotated[int, typer.Option(min=1, help="Good pictures to teach from.")] = 4,
    seed: Annotated[int, typer.Option(min=0, help="Chooses which ones.")] = 0,
    backbone: BackboneOption = "mini",
    image_size: ImageSizeOption = None,
    limit: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Test pictures per class; default: all.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The results as JSON.")] = False,
) -> None:
    """Draw a product, teach it, export the model, inspect without torch, and write a report.

    **Examples**

        res2clip demo

        res2clip demo --data mvtec/bottle --shots 2 --out bottle-demo

        res2clip demo --backbone ViT-L-14-336-quickgelu:openai

    Writes `report.html`, `results.jsonl`, `pictures/`, a recipe for each product and `bundle/`.
    Drawn pictures and the bundle are used again by the next call; results are replaced.
    """
    model = load_model(backbone, image_size=image_size, heads=None, match="sparse_radial_knn")
    from res2clip.cli.demonstration import DemoRequest, demonstrate

    request = DemoRequest(out=out, data=data, shots=shots, seed=seed, limit=limit)
    with step_progress() as progress:
        demonstration = demonstrate(model, request, progress=progress)
    _print(demonstration, as_json=as_json)


def _print(demonstration: Demonstration, *, as_json: bool) -> None:
    for result in demonstration.report.categories:
        for doubt in result.doubts:
            warn(f"{result.name}: {doubt.name}: {doubt.message}")
    if as_json:
        typer.echo(json.dumps(demo_json(demonstration), ensure_ascii=False))
        return
    Console().print(demo_table(demonstration))
    typer.echo(next_steps(demonstration))
