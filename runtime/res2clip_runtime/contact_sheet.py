"""The good pictures of a recipe, side by side."""

from __future__ import annotations

import io
import math
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from res2clip_runtime.errors import ArtefactError
from res2clip_runtime.overlay.lettering import draw_fitted
from res2clip_runtime.preprocess import PictureU8
from res2clip_runtime.recipe import Recipe, Reference
from res2clip_runtime.storage import write_atomically
from res2clip_runtime.stored_png import open_stored_png

__all__ = ["draw_contact_sheet", "save_contact_sheet"]

TILE_PX = 240
MOST_TILES = 1024
_CAPTION_PX = 28
_GAP_PX = 8
_BACKGROUND = (24, 26, 30)
_TEXT = (225, 225, 225)


def save_contact_sheet(recipe: Recipe, path: Path) -> None:
    """Write the contact sheet as PNG.

    Raises:
        ArtefactError: a picture in the recipe is damaged.
        OutputError: ``path`` cannot be written.
    """
    buffer = io.BytesIO()
    Image.fromarray(draw_contact_sheet(recipe)).save(buffer, format="PNG")
    write_atomically(path, buffer.getvalue())


def draw_contact_sheet(recipe: Recipe) -> PictureU8:
    """Return (h, w, 3) uint8: the references as the encoder sees them, with their names.

    Raises:
        ArtefactError: a picture in the recipe is damaged, or there are too many.
    """
    if len(recipe.references) > MOST_TILES:
        raise ArtefactError(
            f"the recipe has {len(recipe.references)} good pictures, a sheet shows at most "
            f"{MOST_TILES}; look at them with: recipe show"
        )
    columns = math.ceil(math.sqrt(len(recipe.references)))
    rows = math.ceil(len(recipe.references) / columns)
    step = (TILE_PX + _GAP_PX, TILE_PX + _CAPTION_PX + _GAP_PX)
    size = (columns * step[0] + _GAP_PX, rows * step[1] + _GAP_PX)
    sheet = Image.new("RGB", size, _BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    for index, reference in enumerate(recipe.references):
        left = _GAP_PX + (index % columns) * step[0]
        top = _GAP_PX + (index // columns) * step[1]
        sheet.paste(_tile(reference), (left, top))
        caption = (left, top + TILE_PX + _CAPTION_PX // 2)
        draw_fitted(draw, reference.name, at=caption, width_px=TILE_PX, size_px=16, fill=_TEXT)
    return np.asarray(sheet)


def _tile(reference: Reference) -> Image.Image:
    picture = open_stored_png(reference.png, reference.name)
    return picture.resize((TILE_PX, TILE_PX), Image.Resampling.BICUBIC)
