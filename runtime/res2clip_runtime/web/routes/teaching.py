"""Teaching from the live view: frozen pictures, products, thresholds."""

from __future__ import annotations

import functools
from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp

from res2clip_runtime.errors import Res2ClipError
from res2clip_runtime.service.recipe_file import ListedRecipe
from res2clip_runtime.teaching import Taught, teach
from res2clip_runtime.web.heat_layer import draw_jpeg
from res2clip_runtime.web.json_answer import JsonAnswer
from res2clip_runtime.web.request_body import (
    a_flag,
    a_number,
    a_product,
    a_text,
    check_query,
    read_object,
    text_in_query,
)
from res2clip_runtime.web.state import Call, State
from res2clip_runtime.web.teaching_tray import MOST_OF_ONE, Candidate

__all__ = [
    "drop",
    "freeze",
    "frozen_picture",
    "recipes",
    "reference",
    "set_threshold",
    "teach_product",
]

_PNG = b"\x89PNG\r\n\x1a\n"


async def freeze(call: Call) -> ASGIApp:
    """Put the newest picture into the tray."""
    check_query(call.request)
    state = call.state
    camera = a_text(await read_object(call.request, "camera"), "camera", required=False)
    lost = {c.name: c.reason for c in state.control.health().cameras if c.state == "lost"}
    shot = state.recent.newest(camera)
    if shot is None:
        raise HTTPException(409, "there is no picture yet; see whether the camera gives any")
    if shot.verdict.camera in lost:
        raise HTTPException(
            409, f"camera {shot.verdict.camera} is lost, its picture is an old one; mend it first"
        )
    candidate = await state.run(state.tray.freeze, call.who.user.name, shot)
    return JsonAnswer(
        {
            "id": candidate.candidate_id,
            "number": candidate.number,
            "camera": candidate.camera,
            "captured_at": candidate.captured_at,
            "doubts": list(candidate.doubts),
        },
        201,
    )


async def frozen_picture(call: Call) -> ASGIApp:
    """Return a picture of the tray."""
    check_query(call.request)
    candidate = _candidate(call, call.request.path_params["id"])
    jpeg = await call.state.run(functools.partial(draw_jpeg, candidate.picture, quality=90))
    return Response(jpeg, media_type="image/jpeg")


async def drop(call: Call) -> ASGIApp:
    """Take a picture out of the tray."""
    check_query(call.request)
    if not call.state.tray.drop(call.who.user.name, call.request.path_params["id"]):
        raise HTTPException(404, "there is no such picture in your tray")
    return Response(status_code=204)


async def teach_product(call: Call) -> ASGIApp:
    """Teach a product from pictures of the tray and inspect it from now on."""
    check_query(call.request)
    state = call.state
    given = await read_object(call.request, "product", "pictures", "replace")
    product, ids, replace = a_product(given), _ids(given), a_flag(given, "replace")
    candidates = [_candidate(call, each) for each in ids]
    if product in state.control.products and not replace:
        raise HTTPException(
            409, f"there is a product '{product}' already; say that it is to be replaced"
        )
    if state.teaching.locked():
        raise HTTPException(409, "somebody is teaching already; try again when that is done")
    async with state.teaching:
        taught, file = await state.run(_teach, call, product, candidates, replace)
    for candidate in candidates:
        state.tray.drop(call.who.user.name, candidate.candidate_id)
    state.control.choose_recipe(product)
    state.changed("recipes", product=product)
    state.notice_product()
    threshold = taught.recipe.thresholds.get(state.control.model.spec.score_id)
    return JsonAnswer(
        {
            "product": product,
            "threshold": threshold.score if threshold else None,
            "references": len(taught.recipe.references),
            "doubts": _doubts(taught),
            "file": file,
        },
        201,
    )


async def recipes(call: Call) -> ASGIApp:
    """List what can be inspected."""
    check_query(call.request)
    state = call.state
    listed = await state.run(lambda: list(state.control.recipes.listed()))
    return JsonAnswer([_listed(state, one) for one in listed])


async def reference(call: Call) -> ASGIApp:
    """Return one of the good pictures that a product was taught with."""
    check_query(call.request, "camera")
    state, names = call.state, call.request.path_params
    recipe = state.control.recipes.find(
        names["product"], text_in_query(call.request, "camera") or ""
    )
    number = names["n"]
    if recipe is None or not (number.isascii() and number.isdigit()) or len(number) > 6:
        raise HTTPException(404, "there is no such product or picture")
    references = recipe.references
    if int(number) >= len(references) or not references[int(number)].png.startswith(_PNG):
        raise HTTPException(404, f"'{recipe.product}' has {len(references)} pictures, from 0 on")
    return Response(references[int(number)].png, media_type="image/png")


async def set_threshold(call: Call) -> ASGIApp:
    """Set the highest score of a product that is OK."""
    check_query(call.request)
    state, product = call.state, call.request.path_params["product"]
    given = await read_object(call.request, "score", "camera")
    score = a_number(given, "score")
    camera = a_text(given, "camera", required=False) or ""
    if product not in state.control.products:
        raise HTTPException(404, "there is no such product")
    before = await state.run(_set_threshold, call, product, score, camera)
    state.changed("threshold", product=product, old=before, new=score)
    state.notice_product()
    return JsonAnswer({"product": product, "threshold": score, "before": before})


def _teach(
    call: Call, product: str, candidates: list[Candidate], replace: bool
) -> tuple[Taught, str]:
    """Teach and save; between the two the audit log is written."""
    state = call.state
    before = state.control.recipes.find(product, "")
    taught = teach(
        state.control.model,
        [candidate.picture for candidate in candidates],
        product=product,
        progress=lambda done, total: state.progress(product, done, total),
    )
    score_id = state.control.model.spec.score_id
    call.audit(
        "teach",
        product=product,
        references=len(candidates),
        replace=replace,
        old=_threshold_of(before, score_id),
        new=_threshold_of(taught.recipe, score_id),
    )
    try:
        file = state.control.recipes.add(
            taught.recipe, folder=state.config.taught_folder, replace=replace
        )
    except Res2ClipError as err:
        call.try_audit("teach failed", product=product, reason=str(err))
        raise
    return taught, file.name


def _set_threshold(call: Call, product: str, score: float, camera: str) -> float | None:
    state = call.state
    score_id = state.control.model.spec.score_id
    before = _threshold_of(state.control.recipes.find(product, camera), score_id)
    call.audit("threshold", product=product, camera=camera, old=before, new=score)
    try:
        return state.control.recipes.set_threshold(
            product, score, by=call.who.user.name, camera=camera
        )
    except Res2ClipError as err:
        call.try_audit("threshold failed", product=product, reason=str(err))
        raise


def _threshold_of(recipe: Any, score_id: str) -> float | None:
    threshold = recipe.thresholds.get(score_id) if recipe is not None else None
    return threshold.score if threshold else None


def _listed(state: State, one: ListedRecipe) -> dict[str, Any]:
    book = state.control.recipes
    product = one.recipe.product
    chosen = product == book.product
    page = one.entry.file.parent == state.config.taught_folder
    return {
        "product": product,
        "camera": one.entry.camera,
        "recipe_id": book.recipe_id if chosen else None,
        "threshold": one.threshold.score if one.threshold else None,
        "pixel_threshold": one.threshold.pixel if one.threshold else None,
        "source": one.threshold.source if one.threshold else "",
        "calibrated": one.threshold.calibrated if one.threshold else False,
        "references": len(one.recipe.references),
        "chosen": chosen,
        "where": "page" if page else "file",
        "threshold_fixed": one.threshold_fixed,
    }


def _candidate(call: Call, candidate_id: str) -> Candidate:
    candidate = call.state.tray.find(call.who.user.name, candidate_id)
    if candidate is None:
        raise HTTPException(404, "there is no such picture in your tray; freeze it again")
    return candidate


def _ids(given: dict[str, Any]) -> list[str]:
    ids = given.get("pictures")
    texts = isinstance(ids, list) and all(isinstance(each, str) for each in ids)
    if not texts or not 1 <= len(ids) <= MOST_OF_ONE or len(set(ids)) < len(ids):  # type: ignore[arg-type]
        raise HTTPException(400, f"pictures must be a list of 1 to {MOST_OF_ONE} different ids")
    return ids  # type: ignore[return-value]


def _doubts(taught: Taught) -> list[str]:
    doubts = []
    if len(taught.recipe.references) < 2:
        doubts.append("one good part gives no threshold: teach two or more, or set one")
    for doubt in taught.doubts:
        picture = doubt.name.partition("-")[2]  # ``picture-0`` is the first
        shown = f"picture {int(picture) + 1}" if picture.isdigit() else doubt.name
        doubts.append(f"{shown}: {doubt.message}")
    return doubts
