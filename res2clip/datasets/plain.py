"""Categories that are just good pictures, bad pictures and masks.

    <category>/normal/*           or good, ok
    <category>/abnormal/*         or anomaly, anomalous, bad, defect, defective, ko, ng;
                                  pictures, or a folder for each defect
    <category>/normal_test/*      or good_test, ok_test; may be missing
    <category>/masks/*            or mask, ground_truth; may be missing; inside like ``abnormal``

Capitals do not matter. Without ``normal_test`` every second normal picture, in the order of their
names, is kept for testing, so that no picture is both taught and tested.
"""

from __future__ import annotations

from pathlib import Path

from res2clip.datasets.category import GOOD, Category, Sample
from res2clip.datasets.listing import pictures, subfolders
from res2clip.datasets.mask_search import find_mask
from res2clip_runtime.errors import InputError

__all__ = ["NAME", "is_plain", "read_plain"]

NAME = "folder"
_NORMAL = ("normal", "good", "ok")
_NORMAL_TEST = tuple(f"{name}_test" for name in _NORMAL)
_ABNORMAL = ("abnormal", "anomaly", "anomalous", "bad", "defect", "defective", "ko", "ng")
_MASKS = ("masks", "mask", "ground_truth")


def is_plain(folder: Path) -> bool:
    """Return whether ``folder`` holds both a normal and an abnormal folder."""
    names = {path.name.lower() for path in subfolders(folder)}
    return bool(names & set(_NORMAL)) and bool(names & set(_ABNORMAL))


def read_plain(folder: Path, *, name: str) -> Category:
    """Return the category at ``folder``.

    Raises:
        InputError: two folders could be meant, a needed one is empty, or the first mask that is
            missing or does not fit.
    """
    normal, abnormal = _child(folder, _NORMAL), _child(folder, _ABNORMAL)
    masks, tested = _child(folder, _MASKS), _child(folder, _NORMAL_TEST)
    assert normal is not None and abnormal is not None, "is_plain() was not asked"
    good = pictures(normal)
    if not good:
        raise InputError(f"{normal} holds no pictures; put good pictures of {name} there")
    train, test = (good[::2], good[1::2]) if tested is None else (good, pictures(tested))
    defective = _defective(abnormal, masks)
    if not defective:
        raise InputError(f"{abnormal} holds no pictures; put defective ones of {name} there")
    samples = [Sample(path=path, defect=GOOD, mask=None) for path in test]
    return Category(
        name=name, folder=folder, train_good=train, test=(*samples, *defective), layout=NAME
    )


def _defective(abnormal: Path, masks: Path | None) -> list[Sample]:
    found = []
    kinds = sorted((abnormal, *subfolders(abnormal)), key=lambda kind: kind.name)
    for kind in kinds:
        if kind.name == GOOD:
            raise InputError(f"{kind} is a folder of defective pictures; rename it")
        there = None if masks is None else masks / kind.relative_to(abnormal)
        for path in pictures(kind):
            mask = None if there is None else find_mask(path, there)
            found.append(Sample(path=path, defect=kind.name, mask=mask))
    return found


def _child(folder: Path, names: tuple[str, ...]) -> Path | None:
    found = [path for path in subfolders(folder) if path.name.lower() in names]
    if len(found) > 1:
        raise InputError(
            f"{found[0]} and {found[1]} could both be meant; rename or move one of them"
        )
    return found[0] if found else None
