"""Categories in the folder layout of MVTec AD and its relatives.

    <category>/train/good/*                      good pictures to teach from
    <category>/test/good/*                       good pictures to test
    <category>/test/<defect>/*                   defective ones
    <category>/ground_truth/<defect>/<mask>      see ``mask_search.py``

MPDD, and VisA after its ``prepare_data.py``, look just like that. Three differ by a few names:

- BTAD calls good pictures ``ok`` (and defective ones ``ko``).
- MVTec LOCO AD has several masks a picture: ``ground_truth/<defect>/<stem>/000.png`` and so on.
- MVTec AD 2 tests with ``test_public`` and keeps its masks in there; ``test_private`` and
  ``test_private_mixed`` have no labels and are left out.

``validation/good`` (LOCO, AD 2) belongs to neither split and is left out. The test folder may be
missing, or hold only good pictures. Without masks' folder there are no masks; where it is there, it
has to be complete.

Facts from the loaders of anomalib (github.com/open-edge-platform/anomalib, src/anomalib/data, and
its issues 162 and 2803: BTAD's formats, LOCO's mask values) and of AnomalyCLIP
(github.com/zqhang/AnomalyCLIP, generate_dataset_json). The names of MPDD's masks are from memory;
MVTec AD's and VisA's kinds are both found.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from res2clip.datasets.category import GOOD, Category, Sample
from res2clip.datasets.listing import pictures, subfolders
from res2clip.datasets.mask_search import find_mask
from res2clip_runtime.errors import InputError

__all__ = ["FolderLayout", "layout_of", "read_folder"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderLayout:
    """Names of the folders in a category."""

    name: str
    """What the layout is called."""
    signs: tuple[str, ...]
    """Folders, any of which tells that this is the layout."""
    good: str = GOOD
    """Folder of good pictures below ``train`` and ``test``."""
    test: str = "test"
    """Folder of the test pictures."""
    masks: str = "ground_truth"
    """Folder of the masks."""


_LAYOUTS = (
    FolderLayout(
        name="mvtec_ad_2",
        signs=("test_public",),
        test="test_public",
        masks="test_public/ground_truth",
    ),
    FolderLayout(name="btad", signs=("train/ok",), good="ok"),
    FolderLayout(name="mvtec_loco", signs=("test/logical_anomalies", "test/structural_anomalies")),
    FolderLayout(name="mvtec", signs=("train", "test/good")),
)
"""From the most to the least special."""


def layout_of(folder: Path) -> FolderLayout | None:
    """Return the layout ``folder`` is meant to have; what is wrong is said when it is read."""
    for layout in _LAYOUTS:
        if any((folder / sign).is_dir() for sign in layout.signs):
            return layout
    return None


def read_folder(folder: Path, layout: FolderLayout, *, name: str) -> Category:
    """Return the category at ``folder``.

    Raises:
        InputError: it has no good pictures, or the first mask that is missing or does not fit.
    """
    good = folder / "train" / layout.good
    train_good = pictures(good)
    if not train_good:
        raise InputError(
            f"{good} holds no pictures; put good pictures of {name} there, "
            "they are what it is taught from"
        )
    masks = folder / layout.masks
    kinds = [kind for kind in subfolders(folder / layout.test) if kind != masks]
    # Good pictures first, whatever the defects are called.
    kinds.sort(key=lambda kind: (kind.name != layout.good, kind.name))
    test = tuple(
        _sample(path, kind.name, layout, masks) for kind in kinds for path in pictures(kind)
    )
    return Category(name=name, folder=folder, train_good=train_good, test=test, layout=layout.name)


def _sample(path: Path, kind: str, layout: FolderLayout, masks: Path) -> Sample:
    if kind == layout.good:
        return Sample(path=path, defect=GOOD, mask=None)
    mask = find_mask(path, masks / kind) if masks.is_dir() else None
    return Sample(path=path, defect=kind, mask=mask)
