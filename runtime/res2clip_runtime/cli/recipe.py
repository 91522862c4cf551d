"""``res2clip-run recipe show``: what a recipe holds; shared with ``res2clip recipe``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from res2clip_runtime.cli.recipe_text import recipe_text
from res2clip_runtime.contact_sheet import save_contact_sheet
from res2clip_runtime.recipe import Recipe

__all__ = ["recipe_app", "show"]

recipe_app = typer.Typer(help="Look into recipes.", no_args_is_help=True)


@recipe_app.callback()
def _group() -> None:
    """Look into recipes."""


@recipe_app.command()
def show(
    file: Annotated[Path, typer.Argument(help="Recipe (*.recipe.safetensors).")],
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    contact_sheet: Annotated[
        Path | None,
        typer.Option(metavar="PICTURE", help="Write the good pictures, side by side, here."),
    ] = None,
) -> None:
    """Print product, encoder, good pictures, thresholds and history of a recipe.

    **Examples**

        res2clip-run recipe show washer.recipe.safetensors

        res2clip-run recipe show washer.recipe.safetensors --json

        res2clip-run recipe show washer.recipe.safetensors --contact-sheet washer.png
    """
    recipe = Recipe.load(file)
    if contact_sheet is not None:
        save_contact_sheet(recipe, contact_sheet)
    described = json.dumps(recipe.describe(), ensure_ascii=False)
    typer.echo(described if as_json else recipe_text(recipe))
