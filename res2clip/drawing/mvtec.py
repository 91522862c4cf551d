"""Data sets of drawn pictures in MVTec AD's layout.

    <product>/drawing.json                       what was drawn, to recognise a finished product
    <product>/train/good/000.png
    <product>/test/<defect or good>/000.png
    <product>/ground_truth/<defect>/000_mask.png 0 or 255

A product is drawn in a hidden folder beside its final place and renamed when complete, so a folder
with its name is never half a data set, and a run that was killed can simply be started again.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from res2clip.drawing.captions import GOOD
from res2clip.drawing.picture import Drawing, draw
from res2clip.drawing.products import Product
from res2clip_runtime.errors import InputError, OutputError

_RECORD = "drawing.json"
_SEEDS_PER_SET = 1_000_000  # pictures of two data-set seeds never share a picture seed


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetPlan:
    """How many pictures of a product to draw, and how."""

    train: int = 10
    """Good pictures to teach from (--train)."""
    good: int = 20
    """Good pictures to test (--count-good)."""
    defect: int = 10
    """Pictures to test for each defect (--count-defect)."""
    size_px: int = 512
    """Side of the square pictures (--size)."""
    seed: int = 0
    """Another seed gives other pictures of the same product (--seed)."""

    def __post_init__(self) -> None:
        """Refuse numbers that make no data set.

        Raises:
            InputError: naming the field and its flag.
        """
        limits = {"train": 1, "good": 0, "defect": 0, "size_px": 32, "seed": 0}
        flags = {"train": "train", "good": "count-good", "defect": "count-defect"}
        for field, least in limits.items():
            value = getattr(self, field)
            if value < least:
                flag = flags.get(field, field.removesuffix("_px"))
                raise InputError(f"{field} (--{flag}) must be {least} or more, got {value}")

    def count(self, product: Product) -> int:
        """How many pictures it makes of a product."""
        return self.train + self.good + self.defect * len(product.defects)


def write_mvtec(
    directory: Path,
    product: Product,
    plan: DatasetPlan,
    *,
    progress: Callable[[int], None] = lambda done: None,
) -> Path:
    """The folder of a product's data set, drawn unless it is already there.

    Args:
        directory: where the product's folder goes; made if missing.
        product: what to draw.
        plan: how many pictures.
        progress: called with the number of pictures done so far, last with all of them.

    Raises:
        InputError: if the product's folder holds something else.
        OutputError: if a file cannot be written.
    """
    final = directory / product.name
    record = {"product": product.name, **asdict(plan)}
    if final.exists():
        _check_same(final, record)
    else:
        try:
            _write(directory / f".{product.name}.partial", final, product, plan, record, progress)
        except OSError as err:
            raise OutputError(f"cannot write the pictures to {final}: {err}") from err
    progress(plan.count(product))
    return final


def _check_same(final: Path, record: dict[str, object]) -> None:
    try:
        found = json.loads((final / _RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        found = None
    if found != record:
        raise InputError(
            f"{final} exists and holds something else than {record}; "
            "choose another --out or remove that folder"
        )


def _write(
    partial: Path,
    final: Path,
    product: Product,
    plan: DatasetPlan,
    record: dict[str, object],
    progress: Callable[[int], None],
) -> None:
    if partial.exists():
        shutil.rmtree(partial)
    for done, (place, name, drawing) in enumerate(_pictures(product, plan)):
        progress(done)
        _save(partial, place, name, drawing)
    (partial / _RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    partial.rename(final)


def _pictures(product: Product, plan: DatasetPlan) -> Iterator[tuple[str, str, Drawing]]:
    """Folder, file stem and drawing of each picture; no two show the same individual."""
    wanted = [("train", GOOD, plan.train), ("test", GOOD, plan.good)]
    wanted += [("test", defect, plan.defect) for defect in product.defects]
    seed = plan.seed * _SEEDS_PER_SET
    for split, defect, count in wanted:
        for i in range(count):
            picked = None if defect == GOOD else defect
            drawing = draw(product, seed=seed, size_px=plan.size_px, defect=picked)
            yield f"{split}/{defect}", f"{i:03d}", drawing
            seed += 1


def _save(root: Path, place: str, name: str, drawing: Drawing) -> None:
    (root / place).mkdir(parents=True, exist_ok=True)
    Image.fromarray(drawing.image_rgb_u8).save(root / place / f"{name}.png", compress_level=3)
    if drawing.defect != GOOD:
        truth = root / "ground_truth" / drawing.defect
        truth.mkdir(parents=True, exist_ok=True)
        mask = Image.fromarray(drawing.mask.astype(np.uint8) * 255)
        mask.save(truth / f"{name}_mask.png")
