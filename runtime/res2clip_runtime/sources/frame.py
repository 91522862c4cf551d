"""One picture on its way from a source to the inspector."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from res2clip_runtime.preprocess import PictureU8

__all__ = ["Frame"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Frame:
    """A picture, not yet decoded when it comes from a file."""

    frame_id: str
    """Unique within its source: a relative path, or ``part.mp4#000123``, ``camera0#000123``."""
    image: Path | PictureU8 = field(repr=False)
    """A file, or an (H, W, 3) uint8 RGB array."""
    captured_at: str
    """ISO 8601 time (UTC) at which it was taken (camera) or read (file)."""
