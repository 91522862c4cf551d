"""Categories in MVTec AD's layout.

    <category>/train/good/*                      good pictures to teach from
    <category>/test/good/*                       good pictures to test
    <category>/test/<defect>/*                   defective ones
    <category>/ground_truth/<defect>/<stem>_mask.png (or <stem>.png)

``test`` may be missing, or hold only good pictures. Without ``ground_truth`` there are no masks;
where it is there, it has to be complete.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from res2clip.datasets.mask import picture_size_px
from res2clip_runtime.errors import ArtefactNotFoundError, InputError
from res2clip_runtime.sources.picture_paths import PICTURE_SUFFIXES

__all__ = ["GOOD", "Category", "Sample", "find_categories"]

GOOD = "good"
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One test picture and the truth about it."""

    path: Path
    """The picture."""
    defect: str
    """Name of the defect, or ``good``."""
    mask: Path | None
    """Mask of the defect; None for good pictures and where no masks were given."""

    @property
    def defective(self) -> bool:
        """Whether it shows a defective part."""
        return self.defect != GOOD


@dataclass(frozen=True, slots=True, kw_only=True)
class Category:
    """A product: good pictures to teach from, and pictures to test with."""

    name: str
    """Name of its folder (with the parent's where that alone is ambiguous)."""
    folder: Path
    """Where it lies."""
    train_good: tuple[Path, ...]
    """Good pictures to teach from, sorted; never empty."""
    test: tuple[Sample, ...]
    """Test pictures: the good ones first, then defect by defect; may be empty."""

    @property
    def defects(self) -> tuple[str, ...]:
        """Names of the defects in the test pictures, sorted."""
        return tuple(sorted({sample.defect for sample in self.test if sample.defective}))

    def limited(self, per_class: int) -> Category:
        """Return the category with at most ``per_class`` test pictures, evenly chosen, a class.

        Raises:
            InputError: the limit is not positive.
        """
        if per_class < 1:
            raise InputError(
                f"the number of pictures per class (--limit) is {per_class}; give 1 or more"
            )
        kept: list[Sample] = []
        for defect in (GOOD, *self.defects):
            kept += _spread([sample for sample in self.test if sample.defect == defect], per_class)
        return dataclasses.replace(self, test=tuple(kept))


def find_categories(directory: str | Path) -> tuple[Category, ...]:
    """Return the categories at ``directory``: it is one, or holds some, or its subfolders do.

    Raises:
        ArtefactNotFoundError: there is no such folder.
        InputError: there is no category, or the first file that is wrong: a category without good
            pictures, a defective picture without mask, a mask of another size.
    """
    root = Path(directory)
    if not root.is_dir():
        raise ArtefactNotFoundError(f"there is no folder {root}; check the path (--data)")
    if _is_category(root):
        return (_read(root, name=root.resolve().name),)
    folders = [inner for outer in _subfolders(root) for inner in _category_folders(outer)]
    if not folders:
        raise InputError(
            f"{root} holds no category: expected {root / 'train' / GOOD} with good pictures, "
            "or folders that have train/good (MVTec AD's layout)"
        )
    same = Counter(folder.name for folder in folders)
    return tuple(
        _read(f, name=f.name if same[f.name] == 1 else f.relative_to(root).as_posix())
        for f in folders
    )


def _category_folders(folder: Path) -> list[Path]:
    if _is_category(folder):
        return [folder]
    return [inner for inner in _subfolders(folder) if _is_category(inner)]


def _is_category(folder: Path) -> bool:
    """Return whether this is meant to be one; what is wrong with it is said when it is read."""
    return (folder / "train").is_dir() or (folder / "test" / GOOD).is_dir()


def _read(folder: Path, *, name: str) -> Category:
    train_good = _pictures(folder / "train" / GOOD)
    if not train_good:
        raise InputError(
            f"{folder / 'train' / GOOD} holds no pictures; put good pictures of {name} there, "
            "they are what it is taught from"
        )
    masks = folder / "ground_truth"
    # Good pictures first, whatever the defects are called.
    classes = sorted(_subfolders(folder / "test"), key=lambda path: (path.name != GOOD, path.name))
    test = tuple(
        Sample(path=path, defect=kind.name, mask=_mask_of(path, kind.name, masks))
        for kind in classes
        for path in _pictures(kind)
    )
    return Category(name=name, folder=folder, train_good=train_good, test=test)


def _mask_of(picture: Path, defect: str, masks: Path) -> Path | None:
    if defect == GOOD or not masks.is_dir():
        return None
    candidates = [masks / defect / f"{picture.stem}{ending}" for ending in ("_mask.png", ".png")]
    mask = next((path for path in candidates if path.is_file()), None)
    if mask is None:
        raise InputError(
            f"{picture} has no mask: expected {candidates[0]} (or {candidates[1].name}); "
            f"add it, or remove {masks} to go without masks"
        )
    wanted, got = picture_size_px(picture), picture_size_px(mask)
    if wanted != got:
        raise InputError(
            f"the mask {mask} is {got[0]} x {got[1]} px, its picture {picture} is "
            f"{wanted[0]} x {wanted[1]} px; they must be of one size"
        )
    return mask


def _pictures(folder: Path) -> tuple[Path, ...]:
    return tuple(
        path
        for path in _sorted_entries(folder)
        if path.suffix.lower() in PICTURE_SUFFIXES and path.is_file()
    )


def _subfolders(folder: Path) -> list[Path]:
    return [path for path in _sorted_entries(folder) if path.is_dir()]


def _sorted_entries(folder: Path) -> Iterable[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _spread(items: Sequence[_T], count: int) -> list[_T]:
    """Return ``count`` items at even distances: neighbours in a series look alike."""
    if len(items) <= count:
        return list(items)
    return [items[index * len(items) // count] for index in range(count)]
