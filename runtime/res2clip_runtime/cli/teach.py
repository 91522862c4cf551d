"""``res2clip-run teach``: a recipe from good pictures; shared with ``res2clip teach``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from res2clip_runtime.cli.bundle_choice import BackendOption, choose_bundle
from res2clip_runtime.cli.engine_progress import with_engines
from res2clip_runtime.cli.group import warn
from res2clip_runtime.cli.progress import teaching_progress
from res2clip_runtime.cli.recipe_text import taught_text
from res2clip_runtime.cli.teach_options import (
    AddOption,
    ForceOption,
    JsonOption,
    OutOption,
    PicturesArgument,
    ProductOption,
    RemoveOption,
)
from res2clip_runtime.errors import InputError
from res2clip_runtime.inspector import Inspector
from res2clip_runtime.recipe import Recipe, default_recipe_path
from res2clip_runtime.sources.picture_paths import find_pictures
from res2clip_runtime.stages import Stages
from res2clip_runtime.teaching import Taught, add_references, remove_references
from res2clip_runtime.teaching import teach as teach_pictures

__all__ = [
    "TeachRequest",
    "run_teach",
    "teach",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class TeachRequest:
    """The options of ``teach``, checked."""

    pictures: tuple[str, ...]
    """Picture files, folders and globs, as typed."""
    product: str | None
    """``--product``; None when a recipe is changed."""
    change: Path | None
    """``--add``: the recipe to change; None teaches a new one."""
    remove: tuple[str, ...]
    """``--remove``: names of references to drop."""
    out: Path | None
    """``--out``; None takes the recipe that is changed, or ``<product>.recipe.safetensors``."""
    force: bool = False
    """``--force``: replace a recipe that is there already."""

    def __post_init__(self) -> None:
        """Refuse combinations that mean nothing (exit code 2)."""
        if self.change is None and not (self.product or "").strip():
            raise typer.BadParameter("name the product with --product NAME")
        if self.change is not None and self.product is not None:
            raise typer.BadParameter("--product is for a new recipe, --add changes an existing one")
        if self.change is None and self.remove:
            raise typer.BadParameter("say which recipe to change: --add RECIPE --remove NAME")
        if not self.pictures and not self.remove:
            raise typer.BadParameter("give good pictures: files, a folder, or a pattern in quotes")

    @property
    def path(self) -> Path:
        """Where the recipe is saved."""
        return self.out or self.change or default_recipe_path(str(self.product))


def teach(
    pictures: PicturesArgument = None,
    product: ProductOption = None,
    bundle: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Exported model; by default the installed one."),
    ] = None,
    backend: BackendOption = "onnxruntime",
    out: OutOption = None,
    add: AddOption = None,
    remove: RemoveOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Teach a product from a handful of good pictures.

    **Examples**

        res2clip-run teach --product washer good/*.png

        res2clip-run teach --product washer good/ --out recipes/washer.recipe.safetensors

        res2clip-run teach --add washer.recipe.safetensors new_good.png

        res2clip-run teach --add washer.recipe.safetensors --remove blurred.png

    Two or more pictures give a threshold (the highest score among them, each judged by the
    others). Doubtful pictures are named on stderr: look at them again.
    """
    request = TeachRequest(
        pictures=tuple(pictures or ()),
        product=product,
        change=add,
        remove=tuple(remove or ()),
        out=out,
        force=force,
    )
    encoder_id = Recipe.load(add).encoder_id if add else None
    chosen = with_engines(choose_bundle(bundle, encoder_id=encoder_id), backend)
    with Inspector(chosen, backend=backend) as inspector:
        run_teach(inspector.stages, request, as_json=as_json, program="res2clip-run", bundle=bundle)


def run_teach(
    stages: Stages,
    request: TeachRequest,
    *,
    as_json: bool,
    program: str,
    bundle: Path | None = None,
) -> Taught:
    """Teach or change a recipe with any model, save it, print it; return what was taught.

    Args:
        stages: the model: an inspector's stages, or the PyTorch model.
        request: what to teach.
        as_json: print JSON instead of a table.
        program: the command's name, for the examples of what to do next.
        bundle: ``--bundle``, for the same.

    Raises:
        InputError: a picture cannot be used, is there twice, or a name is not in the recipe.
        EncoderMismatchError: the recipe to change belongs to another encoder.
        OutputError: the recipe cannot be written; an older one stays as it was.
    """
    _refuse_overwriting(request)
    taught = _teach(stages, request)
    taught.recipe.save(request.path)
    for doubt in taught.doubts:
        warn(f"{doubt.name}: {doubt.message}")
    if as_json:
        doubts = [{"name": doubt.name, "message": doubt.message} for doubt in taught.doubts]
        described = {"path": str(request.path), **taught.recipe.describe(), "doubts": doubts}
        typer.echo(json.dumps(described, ensure_ascii=False))
    else:
        text = taught_text(
            taught.recipe, stages.spec, path=request.path, program=program, bundle=bundle
        )
        typer.echo(text)
    return taught


def _refuse_overwriting(request: TeachRequest) -> None:
    if request.path.exists() and request.path != request.change and not request.force:
        raise InputError(
            f"{request.path} is there already; add pictures to it with --add {request.path}, "
            "replace it with --force, or write elsewhere with --out"
        )


def _teach(stages: Stages, request: TeachRequest) -> Taught:
    paths = [path for place in request.pictures for path in find_pictures(place).paths]
    with teaching_progress() as progress:
        if request.change is None:
            product = str(request.product)
            return teach_pictures(stages, paths, product=product, progress=progress)
        changed = Taught(Recipe.load(request.change), ())
        if paths:
            changed = add_references(stages, changed.recipe, paths, progress=progress)
        if not request.remove:
            return changed
        rest = remove_references(stages, changed.recipe, request.remove)
        return Taught(rest.recipe, (*changed.doubts, *rest.doubts))
