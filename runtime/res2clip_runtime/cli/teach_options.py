"""Options of ``teach``, the same in ``res2clip`` and ``res2clip-run``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "AddOption",
    "ForceOption",
    "JsonOption",
    "OutOption",
    "PicturesArgument",
    "ProductOption",
    "RemoveOption",
]

PicturesArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="PICTURES...", help="Good pictures: files, folders or patterns."),
]
ProductOption = Annotated[str | None, typer.Option(help="Name of the product, for a new recipe.")]
OutOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Recipe to write; default NAME.recipe.safetensors."),
]
AddOption = Annotated[
    Path | None, typer.Option(metavar="RECIPE", help="Change this recipe instead of a new one.")
]
RemoveOption = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", help="With --add: drop this good picture (repeatable)."),
]
ForceOption = Annotated[
    bool, typer.Option("--force", help="Replace a recipe that is there already.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="The recipe's data as JSON.")]
