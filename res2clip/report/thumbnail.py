"""Small JPEG pictures that are part of the page itself."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
from PIL import Image

from res2clip.datasets.category import Sample
from res2clip.datasets.mask import load_mask
from res2clip.report.markup import Html, element
from res2clip_runtime.errors import Res2ClipError
from res2clip_runtime.overlay.outline import grow
from res2clip_runtime.preprocess import load_rgb
from res2clip_runtime.stored_png import open_stored_png

__all__ = ["JPEG_QUALITY", "picture_file", "picture_of_png", "picture_with_truth"]

JPEG_QUALITY = 78
_TRUTH_RGB = (70, 255, 60)  # a green that neither metal nor the heat map has
_EDGE_RGB = (0, 0, 0)


def picture_of_png(png: bytes, *, name: str, width_px: int) -> Html:
    """Return an ``img`` of a PNG in memory."""
    return _img(open_stored_png(png, name), name, width_px)


def picture_file(path: Path, *, name: str, width_px: int) -> Html | None:
    """Return an ``img`` of a picture file, or None where there is none that can be read."""
    try:
        return _img(Image.fromarray(load_rgb(path)), name, width_px)
    except Res2ClipError:
        return None


def picture_with_truth(sample: Sample, *, width_px: int) -> Html | None:
    """Return an ``img`` of a test picture with its true defect outlined, or None if unreadable."""
    try:
        picture = Image.fromarray(load_rgb(sample.path))
        picture.thumbnail((2 * width_px, 2 * width_px))
        if sample.mask is not None:
            picture = _outlined(picture, sample.mask)
    except Res2ClipError:
        return None
    return _img(picture, f"{sample.path.name}, as photographed", width_px)


def _outlined(picture: Image.Image, mask_path: Path) -> Image.Image:
    longest = max(picture.size)
    mask = Image.fromarray(load_mask(mask_path, longest)).resize(
        picture.size, Image.Resampling.NEAREST
    )
    width_px = max(2, round(longest / 200))
    gap = grow(np.asarray(mask), width_px)
    line = grow(gap, width_px)
    drawn = np.array(picture)
    drawn[grow(line, max(1, width_px // 2)) & ~gap] = _EDGE_RGB
    drawn[line & ~gap] = _TRUTH_RGB
    return Image.fromarray(drawn)


def _img(picture: Image.Image, name: str, width_px: int) -> Html:
    picture.thumbnail((width_px, 2 * width_px), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, format="JPEG", quality=JPEG_QUALITY, optimize=True)
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    return element(
        "img",
        attributes={
            "src": f"data:image/jpeg;base64,{data}",
            "width": picture.width,
            "height": picture.height,
            "alt": name,
            "loading": "lazy",
        },
    )
