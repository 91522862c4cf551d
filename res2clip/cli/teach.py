"""``res2clip teach``: a recipe from good pictures, with the PyTorch model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from res2clip.cli.model_options import (
    BackboneOption,
    HeadsOption,
    ImageSizeOption,
    MatchOption,
    load_model,
)
from res2clip_runtime.cli.teach import TeachRequest, run_teach

__all__ = ["teach"]


def teach(
    pictures: Annotated[
        list[str] | None,
        typer.Argument(metavar="PICTURES...", help="Good pictures: files, folders or patterns."),
    ] = None,
    product: Annotated[
        str | None, typer.Option(help="Name of the product, for a new recipe.")
    ] = None,
    backbone: BackboneOption = "mini",
    image_size: ImageSizeOption = None,
    heads: HeadsOption = None,
    match: MatchOption = "sparse_radial_knn",
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Recipe to write; default NAME.recipe.safetensors."),
    ] = None,
    add: Annotated[
        Path | None, typer.Option(metavar="RECIPE", help="Change this recipe instead of a new one.")
    ] = None,
    remove: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="With --add: drop this good picture (repeatable)."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a recipe that is there already.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The recipe's data as JSON.")] = False,
) -> None:
    """Teach a product from a handful of good pictures.

    **Examples**

        res2clip teach --product washer good/*.png

        res2clip teach --product washer good/ --backbone ViT-L-14-336-quickgelu:openai

        res2clip teach --add washer.recipe.safetensors new_good.png

        res2clip teach --add washer.recipe.safetensors --remove blurred.png

    A recipe serves every bundle with the same encoder; `res2clip-run teach` does the same on the
    edge box, without torch.
    """
    request = TeachRequest(
        pictures=tuple(pictures or ()),
        product=product,
        change=add,
        remove=tuple(remove or ()),
        out=out,
        force=force,
    )
    model = load_model(backbone, image_size=image_size, heads=heads, match=match)
    run_teach(model, request, as_json=as_json, program="res2clip")
