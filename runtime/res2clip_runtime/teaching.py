"""From good pictures to a recipe, on any model that provides the three stages."""

from __future__ import annotations

import dataclasses
import io
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from res2clip_runtime.errors import ArtefactError, EncoderMismatchError, InputError
from res2clip_runtime.preprocess import ImageLike, PictureU8, load_rgb, resize_square
from res2clip_runtime.quality import (
    Doubt,
    exposure_doubts,
    measure_sharpness,
    outlier_doubts,
    sharpness_doubts,
)
from res2clip_runtime.recipe import Recipe, Reference, Threshold, check_product, history_entry
from res2clip_runtime.score import Scored, score
from res2clip_runtime.spec import MethodSpec, sha256_hex
from res2clip_runtime.stages import FloatArray, Stages, grid_rho, mean_direction
from res2clip_runtime.storage import printable_name

__all__ = [
    "Taught",
    "add_references",
    "check_encoder",
    "check_recipe",
    "remove_references",
    "score_against",
    "teach",
]

Progress = Callable[[int, int], None]
"""Called with (pictures done, pictures in all)."""


@dataclass(frozen=True, slots=True)
class Taught:
    """A recipe and what is doubtful about the pictures it was taught with."""

    recipe: Recipe
    """The recipe; not yet saved."""
    doubts: tuple[Doubt, ...]
    """Warnings for the person teaching."""


def teach(
    stages: Stages,
    images: Sequence[ImageLike],
    *,
    product: str,
    progress: Progress | None = None,
) -> Taught:
    """Return a new recipe taught with good pictures of ``product``.

    With two or more pictures the threshold is the maximum of their leave-one-out scores (not
    calibrated); with one there is none.

    Raises:
        InputError: no pictures, the same one twice, or one that cannot be used.
    """
    if not product.strip():
        raise InputError("the product has no name; give one with --product NAME")
    try:
        check_product(product)
    except ArtefactError as err:
        raise InputError(str(err)) from err
    if not images:
        raise InputError("no pictures to teach from; give at least one good picture")
    spec = stages.spec
    empty = Recipe(
        product=product,
        encoder_id=spec.encoder_id,
        bank=np.zeros((len(spec.taps), 0, spec.embed_dim), dtype=np.float32),
        bank_rho=np.zeros(0, dtype=np.float32),
        bank_global=np.zeros((0, spec.embed_dim), dtype=np.float32),
        references=(),
    )
    return _extend(stages, empty, images, what="taught", progress=progress)


def add_references(
    stages: Stages,
    recipe: Recipe,
    images: Sequence[ImageLike],
    *,
    progress: Progress | None = None,
) -> Taught:
    """Return the recipe with more good pictures; its thresholds are made anew.

    Raises:
        EncoderMismatchError: the recipe belongs to another encoder.
        InputError: a picture is there already, or cannot be used.
    """
    check_encoder(stages, recipe)
    return _extend(stages, recipe, images, what="added", progress=progress)


def remove_references(stages: Stages, recipe: Recipe, names: Sequence[str]) -> Taught:
    """Return the recipe without the references of these names (or sha256 prefixes of 8 or more).

    Raises:
        InputError: a name is not in the recipe, or none would be left.
    """
    check_encoder(stages, recipe)
    unwanted = {_find_reference(recipe, name) for name in names}
    kept = [i for i in range(len(recipe.references)) if i not in unwanted]
    if not kept:
        raise InputError("no reference would be left; teach a new recipe instead")
    rows = np.concatenate([np.arange(recipe.bank.shape[1])[recipe.rows_of(i)] for i in kept])
    removed = ", ".join(recipe.references[i].name for i in sorted(unwanted))
    smaller = dataclasses.replace(
        recipe,
        bank=recipe.bank[:, rows],
        bank_rho=recipe.bank_rho[rows],
        bank_global=recipe.bank_global[kept],
        references=tuple(recipe.references[i] for i in kept),
        history=(*recipe.history, history_entry(f"removed {removed}")),
    )
    return _with_leave_one_out(stages, smaller, doubts=[])


def check_encoder(stages: Stages, recipe: Recipe) -> None:
    """Raise EncoderMismatchError unless the recipe was taught with this model's encoder."""
    check_recipe(stages.spec, recipe)


def check_recipe(spec: MethodSpec, recipe: Recipe) -> None:
    """Raise unless the recipe fits a model with this spec, opened or not.

    Raises:
        EncoderMismatchError: it was taught with another encoder.
        ArtefactError: its features have another shape than that encoder's.
    """
    if recipe.encoder_id != spec.encoder_id:
        raise EncoderMismatchError(
            f"the recipe of '{recipe.product}' belongs to encoder {recipe.encoder_id[:12]}, this "
            f"model has {spec.encoder_id[:12]}; use the bundle it was taught with "
            "(--bundle), or teach the product again"
        )
    taps, _, width = recipe.bank.shape
    if (taps, width) != (len(spec.taps), spec.embed_dim):
        raise ArtefactError(
            f"the recipe of '{recipe.product}' has features of {taps} taps x {width} values, its "
            f"encoder gives {len(spec.taps)} x {spec.embed_dim}; it is damaged, teach it again"
        )


def score_against(
    stages: Stages,
    patches: FloatArray,
    image_feature: FloatArray,
    *,
    bank: FloatArray,
    bank_rho: FloatArray,
    bank_global_mean: FloatArray,
) -> Scored:
    """Return the score of one encoded picture, (T, P, D) and (D,), against a bank."""
    residual = stages.match(patches[None], bank, bank_rho)
    branches = stages.heads(patches[None, -1], residual, image_feature[None], bank_global_mean)
    return score(branches.maps[0], branches.scores[0], stages.spec)


def _extend(
    stages: Stages,
    recipe: Recipe,
    images: Sequence[ImageLike],
    *,
    what: str,
    progress: Progress | None,
) -> Taught:
    names = [_name(image, index) for index, image in enumerate(images)]
    doubts: list[Doubt] = []
    sharpness = []
    parts = [(recipe.bank, recipe.bank_rho, recipe.bank_global)]
    references = list(recipe.references)
    rho = grid_rho(stages.spec.grid)
    for name, image in zip(names, images, strict=True):
        picture = load_rgb(image)
        digest = _digest(image, picture)
        _refuse_duplicate(references, name, digest)
        doubts += exposure_doubts(name, picture)
        sharpness.append((name, measure_sharpness(picture)))
        square = resize_square(picture, stages.spec.image_size_px)
        features = stages.encode(square[None])
        parts.append((features.patches[0], rho, features.image))
        references.append(Reference(name=name, sha256=digest, rows=len(rho), png=_png(square)))
        if progress:
            progress(len(sharpness), len(images))
    doubts += sharpness_doubts(sharpness)
    banks, rhos, globals_ = zip(*parts, strict=True)
    extended = dataclasses.replace(
        recipe,
        bank=np.concatenate(banks, axis=1),
        bank_rho=np.concatenate(rhos),
        bank_global=np.concatenate(globals_),
        references=tuple(references),
        history=(*recipe.history, history_entry(f"{what} {len(images)} good picture(s)")),
    )
    return _with_leave_one_out(stages, extended, doubts=doubts)


def _with_leave_one_out(stages: Stages, recipe: Recipe, *, doubts: list[Doubt]) -> Taught:
    """Replace the thresholds by the maximum of the leave-one-out scores of the references."""
    if len(recipe.references) < 2:
        return Taught(dataclasses.replace(recipe, thresholds={}), tuple(doubts))
    scored = list(_leave_one_out(stages, recipe))
    scores = tuple(one.image_score for one in scored)
    threshold = Threshold(
        score=max(scores),
        pixel=max(float(one.anomaly_map.max()) for one in scored),
        source="leave-one-out maximum",
        calibration_scores=scores,
    )
    names = [reference.name for reference in recipe.references]
    return Taught(
        dataclasses.replace(recipe, thresholds={stages.spec.score_id: threshold}),
        (*doubts, *outlier_doubts(names, scores)),
    )


def _leave_one_out(stages: Stages, recipe: Recipe) -> Iterator[Scored]:
    for index in range(len(recipe.references)):
        own = recipe.rows_of(index)
        rest = np.delete(np.arange(recipe.bank.shape[1]), own)
        others = np.delete(recipe.bank_global, index, axis=0)
        yield score_against(
            stages,
            recipe.bank[:, own],
            recipe.bank_global[index],
            bank=recipe.bank[:, rest],
            bank_rho=recipe.bank_rho[rest],
            bank_global_mean=mean_direction(others),
        )


def _find_reference(recipe: Recipe, name: str) -> int:
    wanted = Path(name).name
    found = [
        index
        for index, reference in enumerate(recipe.references)
        if reference.name == wanted or (len(name) >= 8 and reference.sha256.startswith(name))
    ]
    if len(found) == 1:
        return found[0]
    known = ", ".join(f"{r.name} ({r.sha256[:8]})" for r in recipe.references)
    problem = "is not one of the references" if not found else "names several references"
    raise InputError(f"'{name}' {problem}; the recipe holds: {known}")


def _refuse_duplicate(references: Sequence[Reference], name: str, digest: str) -> None:
    for reference in references:
        if reference.sha256 == digest:
            raise InputError(
                f"{name} is the same picture as {reference.name} (sha256 {digest[:8]}); "
                "leave it out, a copy adds nothing"
            )


def _name(image: ImageLike, index: int) -> str:
    if isinstance(image, (str, os.PathLike)):
        return printable_name(Path(image).name)
    return f"picture-{index}"


def _digest(image: ImageLike, picture: PictureU8) -> str:
    """Return the sha256 of the file as it is, or of the pixels where there is no file."""
    if isinstance(image, (str, os.PathLike)):
        return sha256_hex(Path(image).read_bytes())
    return sha256_hex(np.ascontiguousarray(picture).data)


def _png(picture: PictureU8) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="PNG")
    return buffer.getvalue()
