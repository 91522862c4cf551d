"""``res2clip datasets``: what a data set's folder holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from res2clip.cli.datasets_text import datasets_json, datasets_table
from res2clip.cli.step_progress import step_progress
from res2clip.datasets import Category, find_categories, take_inventory, write_meta
from res2clip_runtime.errors import InputError

__all__ = ["datasets"]


def datasets(
    place: Annotated[
        Path, typer.Argument(metavar="DIR", help="The data set's folder, or a meta.json.")
    ],
    meta: Annotated[
        Path | None,
        typer.Option(
            "--write-meta",
            metavar="FILE",
            help="Write what was found as a meta.json of the AnomalyCLIP family; it has to lie in "
            "or above the data's folder.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The numbers as JSON.")] = False,
) -> None:
    """Check a data set and count what it holds.

    Known are MVTec AD, LOCO and AD 2, VisA, BTAD, MPDD, a `meta.json` of the AnomalyCLIP family,
    and folders of good pictures, bad pictures and masks.

    **Examples**

        res2clip datasets mvtec/

        res2clip datasets visa/ --json

        res2clip datasets visa/ --write-meta visa/meta.json

    The first file that is wrong (missing, of another size, listed twice) ends it with an error.
    """
    with step_progress() as progress:
        progress(f"reading {place}", 0, 0)
        categories = find_categories(place)
    counts = take_inventory(categories)
    if meta is not None:
        _write(meta, categories, force=force)
    if as_json:
        typer.echo(json.dumps(datasets_json(counts)))
    else:
        Console().print(datasets_table(counts))


def _write(file: Path, categories: tuple[Category, ...], *, force: bool) -> None:
    if file.exists() and not force:
        raise InputError(f"{file} exists already; replace it with --force, or write elsewhere")
    write_meta(file, categories)
    typer.echo(f"written: {file}", err=True)
