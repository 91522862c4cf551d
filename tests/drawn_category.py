"""Small categories in MVTec AD's layout, drawn for tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from drawn_parts import draw_part, save_parts
from PIL import Image


def save_category(
    folder: Path,
    *,
    train: int = 4,
    good: int = 3,
    scratched: int = 3,
    defect: str = "scratch",
    masks: bool = True,
    stem: str = "",
) -> Path:
    """Write a category and return its folder; masks are the very pixels that the scratch changed.

    Args:
        folder: the category's folder.
        train: good pictures to teach from.
        good: good pictures to test.
        scratched: defective ones.
        defect: name of the defect's folders.
        masks: whether there is ground truth.
        stem: put before the numbers in the defective pictures' names.
    """
    save_parts(folder / "train" / "good", train, first_seed=0)
    save_parts(folder / "test" / "good", good, first_seed=100)
    for seed in range(200, 200 + scratched):
        picture, plain = draw_part(seed, scratched=True), draw_part(seed)
        _save(folder / "test" / defect / f"{stem}{seed}.png", picture)
        if masks:
            mask = (picture != plain).any(axis=2).astype(np.uint8) * 255
            _save(folder / "ground_truth" / defect / f"{stem}{seed}_mask.png", mask)
    return folder


def _save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
