"""Pictures to time with, where there are none: one blurred pattern, seen with little changes."""

from __future__ import annotations

import numpy as np
from PIL import Image

from res2clip_runtime.preprocess import PictureU8

__all__ = ["seeded_frames"]


def seeded_frames(count: int, *, width: int = 1920, height: int = 1080) -> list[PictureU8]:
    """Return (height, width, 3) uint8 RGB pictures, always the same ones.

    They cost what real ones cost; their scores mean nothing.
    """
    rng = np.random.default_rng(0)
    coarse = rng.integers(40, 216, (9, 16, 3))
    frames = []
    for _ in range(count):
        changed = (coarse + rng.integers(-12, 13, coarse.shape)).astype(np.uint8)
        large = Image.fromarray(changed).resize((width, height), Image.Resampling.BICUBIC)
        grain = rng.integers(-6, 7, (height, width, 1), dtype=np.int16)
        frames.append(np.clip(np.asarray(large) + grain, 0, 255).astype(np.uint8))
    return frames
