"""Simple drawn parts for tests: a grey disc with a bore, alike but never equal."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw


def draw_part(
    seed: int, *, size_px: tuple[int, int] = (96, 80), scratched: bool = False
) -> np.ndarray:
    """Return (H, W, 3) uint8: a part of this seed, ``size_px`` is (width, height)."""
    rng = np.random.default_rng(seed)
    width, height = size_px
    picture = Image.new("RGB", size_px, (40, 44, 50))
    draw = ImageDraw.Draw(picture)
    centre, radius = (width / 2, height / 2), min(width, height) * 0.42
    for share, colour in ((1.0, (150, 152, 158)), (0.3, (40, 44, 50))):
        r = radius * share
        draw.ellipse((centre[0] - r, centre[1] - r, centre[0] + r, centre[1] + r), fill=colour)
    if scratched:
        start = (centre[0] - radius * 0.7, centre[1] - radius * 0.6)
        end = (centre[0] + radius * 0.1, centre[1] - radius * 0.8)
        draw.line([start, end], fill=(240, 245, 120), width=max(3, width // 24))
    noisy = np.asarray(picture) + rng.normal(0, 3, (height, width, 3))
    return np.clip(noisy, 0, 255).astype(np.uint8)


def save_parts(folder: Path, count: int, *, first_seed: int = 0, scratched: bool = False) -> Path:
    """Write ``count`` parts as PNG into ``folder`` and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(first_seed, first_seed + count):
        Image.fromarray(draw_part(seed, scratched=scratched)).save(folder / f"{seed:03}.png")
    return folder
