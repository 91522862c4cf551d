"""Categories that a file lists: what its entries mean, wherever they were written.

VisA's csv and AnomalyCLIP's ``meta.json`` say the same in two formats. Their paths start at the
data's folder and must stay inside it, for a list may come from anywhere. Links are followed, as
everywhere: who laid them owns the folder.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from res2clip.datasets.category import GOOD, Category, Sample
from res2clip.datasets.mask_search import check_mask
from res2clip_runtime.errors import ArtefactNotFoundError, InputError

__all__ = ["Entry", "categories_of", "file_within", "read_text"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One picture as a list gives it."""

    where: str
    """Where it is listed, for messages: file and line or place."""
    category: str
    """Name of the category."""
    split: str
    """``train`` or ``test``."""
    defect: str
    """Name of the defect, or ``good``."""
    image: str
    """Path of the picture."""
    mask: str
    """Path of its mask, a file or a folder; empty without."""


def read_text(file: Path) -> str:
    """Return the text of a list, UTF-8 with or without byte order mark.

    Raises:
        ArtefactNotFoundError: there is no such file.
        InputError: it cannot be read, or is no UTF-8.
    """
    try:
        return file.read_text(encoding="utf-8-sig")
    except FileNotFoundError as err:
        raise ArtefactNotFoundError(f"there is no file {file}; check the path") from err
    except UnicodeDecodeError as err:
        raise InputError(
            f"{file} is not UTF-8 (byte {err.start}); save it again as UTF-8 text"
        ) from err
    except OSError as err:
        raise InputError(f"{file} cannot be read: {err.strerror}") from err


def file_within(root: Path, text: str, *, where: str, folder: bool = False) -> Path:
    """Return the existing file below ``root`` that ``text`` names.

    Args:
        root: folder that a relative path starts at.
        text: the path; an absolute one is fine if it lies below ``root``.
        where: where it is written, for messages.
        folder: whether a folder will do, too.

    Raises:
        InputError: it leaves ``root``, or nothing is there.
    """
    base = Path(os.path.abspath(root))  # noqa: PTH100 (links stay)
    place = Path(os.path.normpath(base / text))
    if not place.is_relative_to(base) or place == base:
        raise InputError(f"{where}: the path {text!r} leaves the data's folder {root}; correct it")
    relative = place.relative_to(base)
    if not _exists(place, folder=folder):
        raise InputError(f"{where}: there is no file {root / relative}; add it or correct the path")
    return root / relative


def _exists(path: Path, *, folder: bool) -> bool:
    try:
        return path.is_file() or (folder and path.is_dir())
    except OSError:  # a name too long to be asked about
        return False


def categories_of(
    entries: Iterable[Entry], root: Path, *, file: Path, layout: str
) -> tuple[Category, ...]:
    """Return the categories that ``file`` lists below ``root``, sorted like those of folders.

    Raises:
        InputError: the first entry that is wrong: a picture outside ``root``, missing or listed
            twice, a defective one to teach from, a mask that is missing or does not fit; or a
            category without good pictures to teach from; or there are no entries.
    """
    listed: dict[str, list[Entry]] = {}
    for entry in entries:
        listed.setdefault(entry.category, []).append(entry)
    if not listed:
        raise InputError(f"{file} lists no pictures; write or download it again")
    return tuple(_category(name, listed[name], root, layout) for name in sorted(listed))


def _category(name: str, entries: Sequence[Entry], root: Path, layout: str) -> Category:
    train: list[Path] = []
    test: list[Sample] = []
    seen: dict[Path, str] = {}
    for entry in entries:
        path = file_within(root, entry.image, where=entry.where)
        if path in seen:
            raise InputError(f"{entry.where}: {path} is listed already ({seen[path]}); remove one")
        seen[path] = entry.where
        if entry.split == "test":
            test.append(_sample(entry, path, root))
        elif entry.defect == GOOD:
            train.append(path)
        else:
            raise InputError(
                f"{entry.where}: {path} is defective and in the train split; only good pictures "
                "can be taught from; move it to the test split"
            )
    if not train:
        raise InputError(f"{entries[0].where}: {name} has no good pictures in its train split")
    _refuse_gaps([sample for sample in test if sample.defective])
    test.sort(key=lambda sample: (sample.defective, sample.defect, sample.path))
    paths = [*train, *(sample.path for sample in test)]
    own = root / name
    folder = own if all(path.is_relative_to(own) for path in paths) else root
    return Category(
        name=name, folder=folder, train_good=tuple(sorted(train)), test=tuple(test), layout=layout
    )


def _sample(entry: Entry, path: Path, root: Path) -> Sample:
    if entry.defect == GOOD or not entry.mask:
        return Sample(path=path, defect=entry.defect, mask=None)
    mask = file_within(root, entry.mask, where=entry.where, folder=True)
    check_mask(path, mask)
    return Sample(path=path, defect=entry.defect, mask=mask)


def _refuse_gaps(defective: Sequence[Sample]) -> None:
    """Refuse a category where some defective pictures have masks and others do not."""
    without = [sample.path for sample in defective if sample.mask is None]
    if without and len(without) < len(defective):
        raise InputError(
            f"{without[0]} has no mask, others of its category have; add it, or remove all masks "
            "to go without"
        )
