"""Which pictures prove a bundle, and which calibrate int8; no picture does both."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from res2clip.datasets.category import Category
from res2clip.datasets.layouts import find_categories
from res2clip.datasets.mask import load_mask
from res2clip_runtime.errors import InputError
from res2clip_runtime.parity.pictures import MIN_PICTURES, TEACHING, JudgedPictures
from res2clip_runtime.preprocess import ImageLike, PictureU8, to_square
from res2clip_runtime.sources.picture_paths import find_pictures

__all__ = ["calibration_pictures", "judged_pictures", "pictures_at"]

DRAWN_GOOD = 4
DRAWN_DEFECTS = ("hole", "stain", "contamination", "fibre")
"""On felt the mini finds these with two good pictures, so that its verdicts prove something; on the
drawn metal parts, with their gleams, it does not (I-AUROC 0.5 on flanges, 0.88 on washers)."""
JUDGED_PER_DEFECT = 4
CALIBRATION_PICTURES = 8
"""Ranges hardly grow after the first few pictures of one product."""
CALIBRATION_FAMILIES = ("flange", "washer", "gear", "board", "leather", "tiles", "wood", "tablet")
"""One drawn part of each: the ranges must hold for metal, print, cloth and food alike."""
_CALIBRATION_SEED = 1000
_DRAWN_PX = 512


def pictures_at(place: str) -> Sequence[Path] | Category:
    """Return the category at ``place``, a few of its pictures per defect, or plain pictures.

    Raises:
        InputError: there are several categories, or a picture cannot be used.
        ArtefactNotFoundError: there is nothing at ``place``.
        SourceError: a folder without pictures.
    """
    if not Path(place).is_dir():
        return find_pictures(place).paths
    try:
        categories = find_categories(place)
    except InputError:  # no layout of a data set: plain pictures
        return find_pictures(place).paths
    if len(categories) > 1:
        names = ", ".join(category.name for category in categories[:3])
        raise InputError(f"{place} holds several categories ({names} ...); give one (--pictures)")
    return categories[0].limited(JUDGED_PER_DEFECT)


def judged_pictures(pictures: Sequence[ImageLike] | Category, *, size_px: int) -> JudgedPictures:
    """Return the pictures that judge: a category's, plain ones without labels, or drawn ones.

    Raises:
        InputError: too few pictures, or one that cannot be used.
    """
    if isinstance(pictures, Category):
        return _of_category(pictures, size_px)
    if not pictures:
        return _drawn(size_px)
    if len(pictures) < MIN_PICTURES:
        raise InputError(
            f"parity needs {MIN_PICTURES} or more pictures (--pictures), got {len(pictures)}"
        )
    squares = tuple(to_square(picture, size_px) for picture in pictures)
    return JudgedPictures(squares=squares, kind="given")


def calibration_pictures(
    calibration: Sequence[ImageLike],
    pictures: Sequence[ImageLike] | Category,
    *,
    size_px: int,
) -> tuple[PictureU8, ...]:
    """Return good (S, S, 3) pictures that int8 is calibrated on; none of them judges.

    Without ``calibration``: a category's good pictures after those that teach, the two that teach
    of plain pictures, or drawn parts of several families.
    """
    if calibration:
        return tuple(to_square(one, size_px) for one in calibration)
    if isinstance(pictures, Category):
        rest = pictures.train_good[TEACHING:] or pictures.train_good
        return tuple(to_square(path, size_px) for path in rest[:CALIBRATION_PICTURES])
    if pictures:
        return tuple(to_square(picture, size_px) for picture in pictures[:TEACHING])
    return tuple(
        _drawing(family, _CALIBRATION_SEED, None, size_px)[0] for family in CALIBRATION_FAMILIES
    )


def _of_category(category: Category, size_px: int) -> JudgedPictures:
    if len(category.train_good) < TEACHING:
        raise InputError(f"{category.name} has one good picture; parity teaches with {TEACHING}")
    paths = (*category.train_good[:TEACHING], *(sample.path for sample in category.test))
    masks = None
    if all(sample.mask or not sample.defective for sample in category.test):
        empty = np.zeros((size_px, size_px), dtype=np.bool_)
        masks = np.stack([load_mask(s.mask, size_px) if s.mask else empty for s in category.test])
    return JudgedPictures(
        squares=tuple(to_square(path, size_px) for path in paths),
        kind="given",
        defective=np.array([sample.defective for sample in category.test]),
        masks=masks,
    )


def _drawn(size_px: int) -> JudgedPictures:
    defects = [*[None] * (TEACHING + DRAWN_GOOD), *DRAWN_DEFECTS]
    drawn = [_drawing("felt", seed, defect, size_px) for seed, defect in enumerate(defects)]
    inspected = drawn[TEACHING:]
    return JudgedPictures(
        squares=tuple(square for square, _ in drawn),
        kind="drawn",
        defective=np.array([mask.any() for _, mask in inspected]),
        masks=np.stack([mask for _, mask in inspected]),
    )


@lru_cache(maxsize=64)
def _drawing(
    family: str, seed: int, defect: str | None, size_px: int
) -> tuple[PictureU8, np.ndarray[tuple[int, int], np.dtype[np.bool_]]]:
    from PIL import Image

    from res2clip.drawing import Product, draw

    drawing = draw(Product(family), seed=seed, size_px=_DRAWN_PX, defect=defect)
    mask = Image.fromarray(drawing.mask).resize((size_px, size_px), Image.Resampling.NEAREST)
    return to_square(drawing.image_rgb_u8, size_px), np.asarray(mask)
