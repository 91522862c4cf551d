"""Pictures that a host program sends to be inspected."""

from __future__ import annotations

import io
import warnings

from PIL import Image
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from res2clip_runtime.errors import InputError
from res2clip_runtime.inspection import inspect
from res2clip_runtime.preprocess import PictureU8, decode_rgb
from res2clip_runtime.recipe import Recipe
from res2clip_runtime.stages import Stages
from res2clip_runtime.verdict import Verdict
from res2clip_runtime.web.json_answer import JsonAnswer
from res2clip_runtime.web.request_body import check_query, read_body, text_in_query
from res2clip_runtime.web.state import Call

__all__ = ["inspect_picture"]

_FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP")
"""Other decoders of Pillow are rarely looked at, and some start other programs."""
_MOST_PX = 64_000_000
"""A few kilobytes may hold a picture that fills the memory."""


async def inspect_picture(call: Call) -> ASGIApp:
    """Inspect a picture, between two parts; its verdict goes to nobody else."""
    check_query(call.request, "product", "camera")
    state = call.state
    kind = call.request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not (kind.startswith("image/") or kind == "application/octet-stream"):
        raise HTTPException(
            415, f"Content-Type is {kind[:50]!r}, expected image/png, image/jpeg ...", _CLOSE
        )
    product = text_in_query(call.request, "product") or state.control.recipes.product
    camera = text_in_query(call.request, "camera") or ""
    recipe = state.control.recipes.find(product, camera)
    if recipe is None:
        raise HTTPException(409, _no_recipe(product, state.control.products), _CLOSE)
    if state.uploads.locked():
        raise HTTPException(
            503, "other pictures are being inspected; try again", {"Retry-After": "1", **_CLOSE}
        )
    async with state.uploads:
        data = await read_body(call.request, most_bytes=int(state.config.upload_mb * 1e6))
        verdict = await state.run(_inspect, state.control.model, data, recipe)
    return JsonAnswer(verdict.to_json())


_CLOSE = {"Connection": "close"}
"""The body was not read."""


def _inspect(model: Stages, data: bytes, recipe: Recipe) -> Verdict:
    try:
        picture = _decoded(data)
    except InputError as err:
        raise HTTPException(422, str(err)) from err
    return inspect(model, picture, recipe, frame_id="upload")


def _decoded(data: bytes) -> PictureU8:
    """Return the picture; its head is looked at before its pixels are made.

    Raises:
        InputError: it is none, of a format that is not taken, or too large.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=_FORMATS) as picture:
                width, height = picture.size
    except Image.DecompressionBombError as err:
        raise InputError(f"the picture is far too large, expected at most {_MOST_PX} px") from err
    except Exception as err:  # Pillow's decoders let TypeError, struct.error and others through
        raise InputError(f"this is no picture in one of the formats {', '.join(_FORMATS)}") from err
    if width * height > _MOST_PX:
        raise InputError(
            f"the picture has {width} x {height} px, expected at most {_MOST_PX} px in all"
        )
    return decode_rgb(data, "the picture")


def _no_recipe(product: str, products: tuple[str, ...]) -> str:
    there = f"there are: {', '.join(products)}" if products else "nothing has been taught yet"
    return f"there is no recipe of '{product}'; {there}" if product else f"no product; {there}"
