"""From whatever the user has to the S x S RGB picture the encoder sees (method.md, section 1).

Normalisation is part of the encoder's graph; here everything stays 8-bit.
"""

from __future__ import annotations

import io
import os
import warnings
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from res2clip_runtime.errors import ArtefactNotFoundError, InputError

__all__ = [
    "MIN_SIDE_PX",
    "ImageLike",
    "PictureU8",
    "decode_rgb",
    "load_rgb",
    "resize_square",
    "to_square",
]

PictureU8: TypeAlias = npt.NDArray[np.uint8]
ImageLike: TypeAlias = "str | os.PathLike[str] | Image.Image | PictureU8"

MIN_SIDE_PX = 32
"""A smaller picture holds nothing to inspect; it is nearly always a wrong file."""

_FORMATS = ("PNG", "JPEG", "BMP", "DIB", "TIFF", "WEBP", "PPM", "JPEG2000", "GIF")
"""What cameras and drawing programs write. Pillow knows forty more, rarely tried decoders, and runs
Ghostscript for an EPS whatever the file's ending says."""
_SIXTEEN_BIT_MODES = ("I;16", "I;16L", "I;16B", "I;16N", "I")


def load_rgb(image: ImageLike) -> PictureU8:
    """Return a picture as (H, W, 3) uint8 RGB.

    Grey, palette, CMYK and alpha pictures are converted (alpha is dropped), 16-bit ones are scaled
    to 8 bits, and the EXIF orientation is applied.

    Args:
        image: a path, a PIL image, or an (H, W, 3) uint8 RGB array.

    Raises:
        ArtefactNotFoundError: the path does not exist.
        InputError: the picture cannot be decoded, is truncated, animated or smaller than 32 px.
    """
    if isinstance(image, np.ndarray):
        return _checked(_from_array(image), "the array")
    if isinstance(image, Image.Image):
        return _checked(_from_opened(image), "the PIL image")
    return _checked(_from_file(Path(image)), str(image))


def decode_rgb(data: bytes, name: str) -> PictureU8:
    """Return an encoded picture (PNG, JPEG, ...) as (H, W, 3) uint8 RGB; see :func:`load_rgb`.

    Args:
        data: what stands in the file.
        name: what to call it in messages.

    Raises:
        InputError: the picture cannot be decoded, is truncated, animated or smaller than 32 px.
    """
    return _checked(_from_bytes(data, name), name)


def resize_square(image: PictureU8, size_px: int) -> PictureU8:
    """Return the (H, W, 3) uint8 picture resized to (size_px, size_px, 3), aspect ratio ignored.

    Pillow's antialiased bicubic, as the method was published with.
    """
    if image.shape[:2] == (size_px, size_px):
        return image
    resized = Image.fromarray(image).resize((size_px, size_px), Image.Resampling.BICUBIC)
    return np.asarray(resized)


def to_square(image: ImageLike, size_px: int) -> PictureU8:
    """Return any picture as the encoder wants it: (size_px, size_px, 3) uint8 RGB."""
    return resize_square(load_rgb(image), size_px)


def _from_array(image: npt.NDArray[np.generic]) -> PictureU8:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise InputError(
            f"an array picture must be (H, W, 3) uint8 RGB, got {image.shape} {image.dtype}; "
            "convert it first, or pass a path or a PIL image"
        )
    return np.ascontiguousarray(image, dtype=np.uint8)


def _from_file(path: Path) -> PictureU8:
    try:
        data = path.read_bytes()
    except FileNotFoundError as err:
        raise ArtefactNotFoundError(f"no picture at {path}; check the path") from err
    except OSError as err:
        raise InputError(f"{path} cannot be read: {err.strerror or err}") from err
    return _from_bytes(data, str(path))


def _from_bytes(data: bytes, name: str) -> PictureU8:
    try:
        with warnings.catch_warnings():
            # Line-scan pictures are large; Pillow's own hard limit still stops absurd ones.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=_FORMATS) as picture:
                return _from_pil(picture, name)
    except InputError:
        raise
    except UnidentifiedImageError as err:
        raise InputError(f"{name} is not a picture that can be decoded; save it as PNG") from err
    except Image.DecompressionBombError as err:
        raise InputError(f"{name} is too large to decode safely: {err}; crop it first") from err
    except Exception as err:  # Pillow's decoders let TypeError, struct.error and others through
        raise InputError(f"{name} is damaged or truncated: {err}; take the picture again") from err


def _from_opened(picture: Image.Image) -> PictureU8:
    try:
        return _from_pil(picture, "the PIL image")
    except InputError:
        raise
    except Exception as err:  # it may be opened but not decoded yet
        raise InputError(f"the PIL image is damaged or truncated: {err}") from err


def _from_pil(picture: Image.Image, name: str) -> PictureU8:
    # MPO is a phone's JPEG with a preview or gain map behind it; the first frame is the photo.
    # Not n_frames: counting the pictures of a hostile file takes minutes.
    if picture.format != "MPO" and getattr(picture, "is_animated", False):
        raise InputError(
            f"{name} is animated or has several pages; save the one to inspect as a PNG"
        )
    picture.load()
    upright = ImageOps.exif_transpose(picture)
    if upright.mode in _SIXTEEN_BIT_MODES:
        return _from_sixteen_bit(upright, name)
    if upright.mode == "F":
        raise InputError(f"{name} holds floating-point pixels; save it with 8 or 16 bits")
    if upright.mode == "P":
        # By way of RGBA, because a palette's transparency would be painted otherwise.
        upright = upright.convert("RGBA")
    return np.asarray(upright.convert("RGB"))


def _from_sixteen_bit(picture: Image.Image, name: str) -> PictureU8:
    values = np.asarray(picture).astype(np.int64)
    if values.min() < 0 or values.max() > 0xFFFF:
        raise InputError(f"{name} holds 32-bit pixels; save it with 8 or 16 bits")
    # 65535 = 255 * 257: the whole range is scaled, nothing is clipped.
    grey = ((values + 128) // 257).astype(np.uint8)
    return np.repeat(grey[:, :, None], 3, axis=2)


def _checked(image: PictureU8, name: str) -> PictureU8:
    height, width = image.shape[:2]
    if min(height, width) < MIN_SIDE_PX:
        raise InputError(
            f"{name} is {width} x {height} px; pictures smaller than {MIN_SIDE_PX} px "
            "cannot be inspected"
        )
    return image
