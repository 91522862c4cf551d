"""Which mask belongs to a picture, and whether it fits."""

from __future__ import annotations

from pathlib import Path

from res2clip.datasets.mask import mask_files, picture_size_px
from res2clip_runtime.errors import InputError

__all__ = ["check_mask", "find_mask"]

_ENDINGS = ("_mask", "")
_SUFFIXES = (".png", ".bmp", ".tif", ".tiff", ".PNG", ".BMP", ".TIF", ".TIFF")
"""Lossless formats only: around a JPEG mask's edge nothing is black."""


def find_mask(picture: Path, folder: Path) -> Path:
    """Return the mask of ``picture`` in ``folder``: a picture, or a folder of several.

    It is called ``<stem>_mask.png`` (MVTec AD, MPDD, MVTec AD 2), ``<stem>.png`` (VisA, BTAD), with
    another lossless ending (BTAD's third category has ``.bmp``), or it is the folder ``<stem>/``
    (MVTec LOCO AD).

    Raises:
        InputError: there is none, or it has another size than the picture.
    """
    names = [f"{picture.stem}{ending}{suffix}" for ending in _ENDINGS for suffix in _SUFFIXES]
    files = (folder / name for name in names)
    mask = next((file for file in files if file.is_file()), folder / picture.stem)
    if not mask.exists():
        raise InputError(
            f"{picture} has no mask: expected {folder / names[0]}, or {picture.stem}.png, or a "
            f"folder {picture.stem}/ of masks; add it, or remove all masks to go without"
        )
    check_mask(picture, mask)
    return mask


def check_mask(picture: Path, mask: Path) -> None:
    """Refuse a mask that does not have the picture's size, both upright.

    Raises:
        InputError: a size differs, a file cannot be read, or the mask is an empty folder.
    """
    wanted = picture_size_px(picture)
    for path in mask_files(mask):
        got = picture_size_px(path)
        if wanted != got:
            raise InputError(
                f"the mask {path} is {got[0]} x {got[1]} px, its picture {picture} is "
                f"{wanted[0]} x {wanted[1]} px; they must be of one size"
            )
