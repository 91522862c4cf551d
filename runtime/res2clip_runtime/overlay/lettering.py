"""Text that fits the width it is given."""

from __future__ import annotations

from functools import lru_cache

from PIL import ImageDraw, ImageFont

__all__ = ["draw_fitted", "wrap"]

Font = ImageFont.ImageFont | ImageFont.FreeTypeFont
_SMALLEST_PX = 10


def draw_fitted(
    draw: ImageDraw.ImageDraw,
    text: str,
    *,
    at: tuple[int, int],
    width_px: int,
    size_px: int,
    fill: tuple[int, int, int],
    anchor: str = "lm",
    bold: bool = False,
) -> None:
    """Draw one line at ``at``, made smaller and then shorter until it fits ``width_px``."""
    text = _printable(text)
    size = _fitting_size(text, width_px, size_px)
    font = _font(size)
    draw.text(
        at,
        _shortened(text, font, width_px),
        fill=fill,
        font=font,
        anchor=anchor,
        stroke_width=size // 24 if bold else 0,
    )


def wrap(text: str, *, width_px: int, size_px: int) -> list[str]:
    """Return the text broken into lines of at most ``width_px``."""
    font = _font(size_px)
    lines = [""]
    for word in _printable(text).split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and font.getlength(longer) > width_px:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _fitting_size(text: str, width_px: int, size_px: int) -> int:
    length = _font(size_px).getlength(text)
    if length <= width_px:
        return size_px
    return max(_SMALLEST_PX, int(size_px * width_px / length))


def _shortened(text: str, font: Font, width_px: int) -> str:
    if font.getlength(text) <= width_px:
        return text
    while text and font.getlength(text + "...") > width_px:
        text = text[:-1]
    return text + "..."


@lru_cache(maxsize=64)
def _font(size_px: int) -> Font:
    """Return Pillow's built-in font, so that no font need be installed."""
    return ImageFont.load_default(size_px)


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)
