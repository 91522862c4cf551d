"""``res2clip heads convert``: between our safetensors and the published ``.pth``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from res2clip_runtime.errors import InputError, MissingExtraError

__all__ = ["convert", "heads_app"]

heads_app = typer.Typer(help="Work with trained heads.", no_args_is_help=True)


@heads_app.callback()
def _group() -> None:
    """Work with trained heads."""


@heads_app.command()
def convert(
    source: Annotated[Path, typer.Argument(metavar="IN", help="Heads in either format.")],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="A .safetensors or .pth file.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Convert trained heads; the ending of OUT says into what.

    **Examples**

        res2clip heads convert heads/heads.safetensors published.pth

        res2clip heads convert published.pth heads.safetensors
    """
    try:
        from res2clip.heads import read_heads, save_heads, save_published
    except ModuleNotFoundError as err:
        raise MissingExtraError(str(err.name), extra="train", purpose="res2clip heads") from err

    writers = {".safetensors": save_heads, ".pth": save_published}
    if target.suffix not in writers:
        raise InputError(f"{target} ends in neither .safetensors nor .pth; choose one of them")
    if target.exists():
        raise InputError(f"{target} exists; choose another name or remove it")
    heads = read_heads(source)
    writers[target.suffix](heads, target)
    taps = [int(tap) for tap in heads.vis_adapters]
    typer.echo(json.dumps({"path": str(target), "taps": taps}) if as_json else str(target))
