"""``res2clip-run init``: a configuration to begin with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from res2clip_runtime.errors import InputError

__all__ = ["init"]


def init(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write.")] = Path(
        "line.toml"
    ),
    source: Annotated[
        str | None, typer.Option(help="Camera, stream, folder or file; by default parts/.")
    ] = None,
    recipe: Annotated[
        str | None, typer.Option(help="Recipe; by default the only one beside FILE.")
    ] = None,
    bundle: Annotated[
        str | None, typer.Option(help="Exported model; by default the installed one.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that exists.")] = False,
) -> None:
    """Write a configuration with every key explained, which runs as it is.

    **Examples**

        res2clip-run init line3.toml

        res2clip-run init line3.toml --source rtsp://camera/1
    """
    from res2clip_runtime.service.config.template import template
    from res2clip_runtime.storage import write_atomically

    if file.exists() and not force:
        raise InputError(f"{file} exists already; give another name, or --force to replace it")
    beside = sorted(file.absolute().parent.glob("*.recipe.safetensors"))
    if recipe is None and len(beside) == 1:
        recipe = beside[0].name
    text = template(name=str(file), source=source, recipe=recipe, bundle=bundle)
    write_atomically(file, text.encode())
    typer.echo(f"{file}: written; check it with: res2clip-run --config {file} --dry-run")
