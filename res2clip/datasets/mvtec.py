"""Categories in MVTec AD's layout.

    <category>/train/good/*                      good pictures to teach from
    <category>/test/good/*                       good pictures to test
    <category>/test/<defect>/*                   defective ones
    <category>/ground_truth/<defect>/<stem>_mask.png (or <stem>.png)

``test`` may be missing, or hold only good pictures. Without ``ground_truth`` there are no masks;
where it is there, it has to be complete.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from res2clip.datasets.category import GOOD, Category, Sample
from res2clip.datasets.listing import pictures, subfolders
from res2clip.datasets.mask import picture_size_px
from res2clip_runtime.errors import ArtefactNotFoundError, InputError

__all__ = ["find_categories"]


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
    folders = [inner for outer in subfolders(root) for inner in _category_folders(outer)]
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
    return [inner for inner in subfolders(folder) if _is_category(inner)]


def _is_category(folder: Path) -> bool:
    """Return whether this is meant to be one; what is wrong with it is said when it is read."""
    return (folder / "train").is_dir() or (folder / "test" / GOOD).is_dir()


def _read(folder: Path, *, name: str) -> Category:
    train_good = pictures(folder / "train" / GOOD)
    if not train_good:
        raise InputError(
            f"{folder / 'train' / GOOD} holds no pictures; put good pictures of {name} there, "
            "they are what it is taught from"
        )
    masks = folder / "ground_truth"
    # Good pictures first, whatever the defects are called.
    classes = sorted(subfolders(folder / "test"), key=lambda path: (path.name != GOOD, path.name))
    test = tuple(
        Sample(path=path, defect=kind.name, mask=_mask_of(path, kind.name, masks))
        for kind in classes
        for path in pictures(kind)
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
