"""VisA as it is downloaded: pictures by label, and the split in a table.

    split_csv/1cls.csv                   object,split,label,image,mask
    <object>/Data/Images/Normal/*.JPG
    <object>/Data/Images/Anomaly/*.JPG
    <object>/Data/Masks/Anomaly/*.png    a defect's number where it is, 0 elsewhere

``label`` is ``normal`` or ``anomaly``, ``split`` is ``train`` or ``test``; paths start at the data
set's folder and the mask is empty for normal pictures. The 1-class split trains on normal pictures.
After its own ``prepare_data.py`` VisA has MVTec AD's layout.

Facts from VisA's home (github.com/amazon-science/spot-diff, README.md) and the loader of anomalib
(src/anomalib/data/datamodules/image/visa.py).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from res2clip.datasets.category import GOOD, Category
from res2clip.datasets.index import Entry, categories_of, read_text
from res2clip_runtime.errors import InputError

__all__ = ["PICTURES", "SPLIT_FILE", "read_visa"]

SPLIT_FILE = Path("split_csv", "1cls.csv")
"""The split, below the data set's folder."""

PICTURES = Path("Data", "Images")
"""Folder of the pictures, below a category's."""

_COLUMNS = ("object", "split", "label", "image", "mask")
_SPLITS = ("train", "test")
_DEFECTS = {"normal": GOOD, "anomaly": "anomaly"}


def read_visa(root: Path) -> tuple[Category, ...]:
    """Return the categories of VisA at ``root``.

    Raises:
        InputError: the table is not as expected, or its first entry that is wrong.
    """
    file = root / SPLIT_FILE
    return categories_of(_entries(file), root, file=file, layout="visa")


def _entries(file: Path) -> Iterator[Entry]:
    table = csv.DictReader(io.StringIO(read_text(file), newline=""))
    missing = [name for name in _COLUMNS if name not in (table.fieldnames or ())]
    if missing:
        raise InputError(
            f"{file} has no column '{missing[0]}'; its first line must name {','.join(_COLUMNS)}"
        )
    try:
        for row in table:
            yield _entry(row, f"{file}, line {table.line_num}")
    except csv.Error as err:
        raise InputError(f"{file}, line {table.line_num}: {err}; is this a csv table?") from err


def _entry(row: dict[str, str], where: str) -> Entry:
    if None in row or None in row.values():
        raise InputError(f"{where}: expected {len(_COLUMNS)} values, as in the first line")
    name, split, label, image, mask = (row[column].strip() for column in _COLUMNS)
    for column, value, known in (("split", split, _SPLITS), ("label", label, tuple(_DEFECTS))):
        if value not in known:
            raise InputError(f"{where}: the {column} is '{value}'; expected {' or '.join(known)}")
    return Entry(
        where=where, category=name, split=split, defect=_DEFECTS[label], image=image, mask=mask
    )
