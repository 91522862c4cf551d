"""The ``meta.json`` of the AnomalyCLIP family: one file that lists a data set.

    {"train": {"<category>": [ENTRY, ...]}, "test": {"<category>": [ENTRY, ...]}}
    ENTRY: {"img_path": "bottle/test/scratch/000.png", "mask_path": "bottle/ground_truth/...png",
            "cls_name": "bottle", "specie_name": "scratch", "anomaly": 1}

Paths start at the file's folder. ``mask_path`` is empty for good pictures and where there is none;
``specie_name`` may be empty, VisA's is. Where one picture has several masks (MVTec LOCO AD),
``mask_path`` is their folder: read here as their union, taken by AnomalyCLIP's own reader for "no
mask".

Facts from github.com/zqhang/AnomalyCLIP (generate_dataset_json/, dataset.py).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from res2clip.datasets.category import GOOD, Category, Sample
from res2clip.datasets.index import Entry, categories_of
from res2clip.datasets.json_file import read_json
from res2clip_runtime.errors import InputError
from res2clip_runtime.storage import write_atomically

__all__ = ["META_FILE", "read_meta", "write_meta"]

META_FILE = "meta.json"
"""Its usual name."""

_UNNAMED_DEFECT = "anomaly"
_SPLITS = ("train", "test")


def read_meta(file: Path) -> tuple[Category, ...]:
    """Return the categories that ``file`` lists.

    Raises:
        ArtefactNotFoundError: there is no such file.
        InputError: it is not such a file, or its first entry that is wrong.
    """
    return categories_of(_entries(file), file.parent, file=file, layout="meta.json")


def write_meta(file: Path, categories: Sequence[Category]) -> None:
    """Write ``categories`` to ``file``; an older file is replaced whole.

    Raises:
        InputError: a picture does not lie below the file's folder.
        OutputError: the file cannot be written.
    """
    base = Path(os.path.abspath(file.parent))  # noqa: PTH100 (links stay)
    train = {
        category.name: [
            _written(Sample(path=path, defect=GOOD, mask=None), category.name, base)
            for path in category.train_good
        ]
        for category in categories
    }
    test = {
        category.name: [_written(sample, category.name, base) for sample in category.test]
        for category in categories
    }
    # Names that are no UTF-8 survive as escapes.
    text = json.dumps({"train": train, "test": test}, indent=1)
    write_atomically(file, f"{text}\n".encode("ascii"))


def _written(sample: Sample, category: str, base: Path) -> dict[str, str | int]:
    return {
        "img_path": _below(sample.path, base),
        "mask_path": _below(sample.mask, base) if sample.mask else "",
        "cls_name": category,
        "specie_name": sample.defect,
        "anomaly": int(sample.defective),
    }


def _below(path: Path, base: Path) -> str:
    place = Path(os.path.abspath(path))  # noqa: PTH100 (links stay)
    if not place.is_relative_to(base):
        raise InputError(
            f"{path} does not lie below {base}, where its list is to be; write the list to the "
            "data's own folder"
        )
    return place.relative_to(base).as_posix()


def _entries(file: Path) -> Iterator[Entry]:
    content = read_json(file)
    if not isinstance(content, dict) or not isinstance(content.get("test"), dict):
        raise InputError(
            f'{file} is no meta.json: expected {{"train": {{...}}, "test": {{...}}}} with a list '
            "of entries for each category"
        )
    for split in _SPLITS:
        categories = content.get(split, {})
        if not isinstance(categories, dict):
            raise InputError(f"{file}, {split}: expected a list of entries for each category")
        for category, listed in categories.items():
            where = f"{file}, {split}/{category}"
            if not isinstance(listed, list):
                raise InputError(f"{where}: expected a list of entries")
            for number, entry in enumerate(listed):
                yield _entry(entry, split, category, f"{where}[{number}]")


def _entry(entry: Any, split: str, category: str, where: str) -> Entry:
    if not isinstance(entry, dict):
        raise InputError(f"{where}: expected an entry with img_path and anomaly")
    for key in ("img_path", "anomaly"):
        if key not in entry:
            raise InputError(f"{where} has no '{key}'; add it")
    image, mask = entry["img_path"], entry.get("mask_path") or ""
    specie, anomaly = entry.get("specie_name") or "", entry["anomaly"]
    if not all(isinstance(text, str) for text in (image, mask, specie)):
        raise InputError(f"{where}: img_path, mask_path and specie_name must be text")
    if anomaly not in (0, 1):
        raise InputError(f"{where}: anomaly is {anomaly!r}; expected 0 or 1")
    if anomaly and specie == GOOD:
        raise InputError(f"{where}: {image} has the specie_name 'good' and anomaly 1; correct one")
    return Entry(
        where=where,
        category=category,
        split=split,
        defect=(specie or _UNNAMED_DEFECT) if anomaly else GOOD,
        image=image,
        mask=mask,
    )
