"""A PNG that lies in a recipe or bundle, back to a picture."""

from __future__ import annotations

import io
import warnings

from PIL import Image

from res2clip_runtime.errors import ArtefactError
from res2clip_runtime.safe_text import shown
from res2clip_runtime.spec import MOST_SIZE_PX

__all__ = ["open_stored_png"]


def open_stored_png(data: bytes, name: str, *, mode: str = "RGB") -> Image.Image:
    """Return the decoded picture in ``mode``.

    Args:
        data: the PNG.
        name: what to call it in messages.
        mode: Pillow's name of the kind of pixels.

    Raises:
        ArtefactError: it is no PNG, damaged, or larger than any encoder's square; a few kilobytes
            can unfold into gigabytes.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=["PNG"]) as picture:
                if max(picture.size) > MOST_SIZE_PX:
                    raise ValueError(f"it has {picture.width} x {picture.height} pixels")
                return picture.convert(mode)
    except Exception as err:  # Pillow's decoders let SyntaxError, struct.error and others through
        raise ArtefactError(
            f"the picture of reference {shown(name)} is damaged: {err}; teach it again"
        ) from err
