"""Masks of defects: which pixels of a picture are defective."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from res2clip.datasets.listing import pictures
from res2clip_runtime.errors import InputError

__all__ = ["load_mask", "mask_files", "picture_size_px"]

_SWAPS_SIDES = (5, 6, 7, 8)
"""EXIF orientations that turn a picture by 90 degrees."""
_EXIF_ORIENTATION = 0x0112


def load_mask(mask: Path, size_px: int, *, half_covered: bool = False) -> npt.NDArray[np.bool_]:
    """Return (size_px, size_px) bool: the mask resized to the nearest pixel; all but black is True.

    Any value but zero counts, because VisA and MVTec LOCO AD write a defect's number, not 255.

    Args:
        mask: a picture, or a folder whose masks count together.
        size_px: side of the square that comes back.
        half_covered: True instead where more than half of a pixel is defective (antialiased
            bilinear), as the paper's code trains; what is thinner than a pixel vanishes.

    Raises:
        InputError: a file is missing or no picture.
    """
    resample = Image.Resampling.BILINEAR if half_covered else Image.Resampling.NEAREST
    united = np.zeros((size_px, size_px), dtype=np.bool_)
    for path in mask_files(mask):
        plain = Image.fromarray(_load(path).astype(np.uint8) * 255)
        united |= np.asarray(plain.resize((size_px, size_px), resample)) > 127
    return united


def mask_files(mask: Path) -> tuple[Path, ...]:
    """Return the pictures of a mask: itself, or those in the folder that it is.

    Raises:
        InputError: the folder holds none.
    """
    if not mask.is_dir():
        return (mask,)
    if files := pictures(mask):
        return files
    raise InputError(f"the mask folder {mask} holds no pictures; put the masks there or remove it")


def picture_size_px(path: Path) -> tuple[int, int]:
    """Return (width, height) of an upright picture, from its header alone.

    Raises:
        InputError: the file is missing or no picture.
    """
    try:
        with Image.open(path) as picture:
            width, height = picture.size
            # Pillow decodes a whole PNG to look for EXIF data behind the pixels, where nobody
            # puts them; those before the pixels are in ``info`` already.
            has_exif = picture.format != "PNG" or "exif" in picture.info
            turned = has_exif and picture.getexif().get(_EXIF_ORIENTATION) in _SWAPS_SIDES
    except (OSError, SyntaxError, ValueError) as err:
        raise _unreadable(path, err) from err
    return (height, width) if turned else (width, height)


def _load(path: Path) -> npt.NDArray[np.bool_]:
    """Return (H, W) bool at the file's own size."""
    try:
        with Image.open(path) as picture:
            upright = ImageOps.exif_transpose(picture)
            plain = (
                upright.convert("RGB") if upright.mode in ("P", "RGBA", "LA", "CMYK") else upright
            )
            values = np.asarray(plain)
    except (OSError, SyntaxError, ValueError) as err:
        raise _unreadable(path, err) from err
    return (values.max(axis=2) if values.ndim == 3 else values) > 0


def _unreadable(path: Path, err: Exception) -> InputError:
    return InputError(f"{path} cannot be read as a picture: {err}; replace or remove it")
