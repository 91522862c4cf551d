"""From a place on the disk to categories: which layout it is, is decided here and nowhere else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from res2clip.datasets.category import GOOD, Category
from res2clip.datasets.listing import subfolders
from res2clip.datasets.meta_json import META_FILE, read_meta
from res2clip.datasets.mvtec import layout_of, read_folder
from res2clip.datasets.plain import is_plain, read_plain
from res2clip.datasets.visa import PICTURES, SPLIT_FILE, read_visa
from res2clip_runtime.errors import ArtefactNotFoundError, InputError

__all__ = ["find_categories"]


def find_categories(place: str | Path) -> tuple[Category, ...]:
    """Return the categories at ``place``, sorted by folder.

    A folder is, in this order: VisA with its split; a category in the layout of MVTec AD or a
    relative (``mvtec.py``), or it holds some, or its subfolders do; the folder of a ``meta.json``;
    plain folders (``plain.py``), found in the same way. A file is a ``meta.json``; naming it
    prefers it to the folders beside it.

    Raises:
        ArtefactNotFoundError: there is nothing at ``place``.
        InputError: there is no category, or the first file that is wrong: a category without good
            pictures, a defective picture without mask, a mask of another size, a bad list.
    """
    root = Path(place)
    if root.is_file():
        return read_meta(root)
    if not root.is_dir():
        raise ArtefactNotFoundError(f"there is no folder {root}; check the path (--data)")
    if (root / SPLIT_FILE).is_file():
        return read_visa(root)
    if folders := _search(root, lambda folder: layout_of(folder) is not None):
        return _read(folders, root)
    if (root / META_FILE).is_file():
        return read_meta(root / META_FILE)
    if visa := _search(root, lambda folder: (folder / PICTURES).is_dir()):
        raise InputError(
            f"{visa[0]} looks like a category of VisA, but {root / SPLIT_FILE} is missing; give "
            "the folder that holds all of VisA with its split"
        )
    if folders := _search(root, is_plain):
        return _read(folders, root)
    raise InputError(
        f"{root} holds no category: expected {root / 'train' / GOOD} with good pictures, or "
        "folders that have train/good (MVTec AD's layout), or another layout of docs/datasets.md"
    )


def _search(root: Path, fits: Callable[[Path], bool]) -> list[Path]:
    """Return ``root`` if it fits, else the nearest folders that do, up to two levels down."""
    if fits(root):
        return [root]
    found: list[Path] = []
    for outer in subfolders(root):
        found += [outer] if fits(outer) else filter(fits, subfolders(outer))
    return found


def _read(folders: Sequence[Path], root: Path) -> tuple[Category, ...]:
    same = Counter(folder.name for folder in folders)
    categories = []
    for folder in folders:
        if folder == root:
            name = root.resolve().name
        else:
            name = folder.name if same[folder.name] == 1 else folder.relative_to(root).as_posix()
        layout = layout_of(folder)
        categories.append(
            read_folder(folder, layout, name=name) if layout else read_plain(folder, name=name)
        )
    return tuple(categories)
