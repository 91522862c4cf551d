"""Printed and etched artwork: drawn once a product with Pillow, then laid on its surface."""

from __future__ import annotations

import string
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from res2clip.drawing.draft import Draft
from res2clip.drawing.field import Field, Rng, ramp

SIDE_PX = 512
Painter = Callable[[ImageDraw.ImageDraw, Rng, int], None]
"""Draws artwork; the number is the index of a feature to leave out, or -1."""


@lru_cache(maxsize=256)
def artwork(painter: Painter, seed: int, mode: str, omit: int, shrink: int) -> Field:
    """A product's artwork.

    Args:
        painter: draws it.
        seed: of its design.
        mode: "L" or "RGB".
        omit: index of the feature to leave out, -1 for none.
        shrink: how many times smaller than `SIDE_PX`, for small pictures.

    Returns:
        (N, N) or (N, N, 3) float32, 0..1, read-only.
    """
    image = Image.new(mode, (SIDE_PX, SIDE_PX))
    painter(ImageDraw.Draw(image), np.random.default_rng(seed), omit)
    values = np.asarray(image.reduce(shrink), np.float32) / np.float32(255.0)
    values.setflags(write=False)
    return values


def laid(
    painter: Painter,
    draft: Draft,
    *,
    seed: int,
    scale: float = 1.0,
    mode: str = "L",
    omit: int = -1,
    repeat: bool = False,
) -> Field:
    """Artwork on the product, where it belongs, or misplaced, smeared or incomplete.

    Args:
        painter: draws it.
        draft: the picture; its flaw "misprint" spoils the artwork.
        seed: of the artwork's design.
        scale: half the side of the artwork, product units.
        mode: "L" or "RGB".
        omit: index of a feature to leave out.
        repeat: whether the artwork repeats; else it is 0 outside.

    Returns:
        (H, W) or (H, W, 3) float32, 0..1.
    """
    shrink = max(1, int(draft.view.pixel / scale * SIDE_PX / 2.0 + 0.3))
    art = artwork(painter, seed, mode, omit, shrink)
    u, v = draft.view.u / scale, draft.view.v / scale
    border = "grid-wrap" if repeat else "constant"
    if draft.flaw == "misprint":
        return _misprinted(art, u, v, border, draft.fate)
    return _sampled(art, u, v, border)


def _sampled(art: Field, u: Field, v: Field, border: str) -> Field:
    side = len(art)
    places = np.stack([(v + 1.0) * (side / 2.0) - 0.5, (u + 1.0) * (side / 2.0) - 0.5])
    planes = [art] if art.ndim == 2 else [art[..., i] for i in range(3)]
    read = [ndimage.map_coordinates(plane, places, order=1, mode=border) for plane in planes]
    return read[0] if art.ndim == 2 else np.stack(read, axis=-1)


def _misprinted(art: Field, u: Field, v: Field, border: str, fate: Rng) -> Field:
    """Artwork displaced as a whole, with a strip not printed, doubled or smeared on one side."""
    kind, turn = str(fate.choice(["shift", "gap", "ghost", "smear"])), float(fate.uniform(0, 6.28))
    cos, sin, reach = float(np.cos(turn)), float(np.sin(turn)), float(fate.uniform(0.04, 0.12))
    if kind == "shift":
        return _sampled(art, u + reach * cos, v + reach * sin, border)
    print_ = _sampled(art, u, v, border)
    if kind == "gap":
        strip = np.abs(u * sin - v * cos - float(fate.uniform(-0.2, 0.2))) - reach
        return print_ * _like(ramp(strip, 0.0, 0.03), print_)
    side = _like(0.75 * ramp(u * cos + v * sin, -0.08, 0.08), print_)
    for pull in (0.5, 1.0) if kind == "ghost" else (0.25, 0.5, 0.75, 1.0):
        moved = _sampled(art, u + pull * reach * cos, v + pull * reach * sin, border)
        print_ = np.maximum(print_, moved * side)
    return print_


def _like(weight: Field, print_: Field) -> Field:
    return weight if print_.ndim == 2 else weight[..., None]


@lru_cache(maxsize=32)
def font(height_px: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own typeface."""
    return ImageFont.load_default(height_px)


def code(rng: Rng, length: int) -> str:
    """A random inscription such as "K7-204"."""
    letters = list(string.ascii_uppercase + string.digits * 2 + "-")
    return "".join(str(c) for c in rng.choice(letters, length))


def write(
    pen: ImageDraw.ImageDraw,
    text: str,
    at: tuple[int, int],
    height_px: int,
    fill: str | tuple[int, int, int] = "white",
) -> None:
    """Puts text on artwork, centred at a place."""
    pen.text(at, text, font=font(height_px), fill=fill, anchor="mm")
