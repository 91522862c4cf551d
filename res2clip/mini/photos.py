"""The photographs the mini learns textures from: where they come from, and crops of them."""

from __future__ import annotations

import logging
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from res2clip_runtime.errors import ArtefactNotFoundError, InputError, SourceError

__all__ = ["DEBIAN_PACKAGES", "PhotoBank", "fetch_photos", "load_photos"]

DEBIAN_PACKAGES = ("plasma-workspace-wallpapers", "mate-backgrounds", "gnome-backgrounds")
"""Wallpaper packages; authors and licences in docs/mini.md."""
SKIMAGE_SAMPLES = ("brick", "grass", "gravel", "coins", "page", "text", "moon", "coffee", "chelsea",
                   "rocket", "hubble_deep_field", "camera")  # fmt: skip
"""Sample pictures inside scikit-image's wheel: CC0, public domain or its BSD licence."""

_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
_LONG_SIDE_PX = 1600
_HELD_OUT_EVERY = 8
_FLAT_BELOW = 1.5  # mean absolute difference of neighbouring pixels, of 255
_SHORT_SIDE_AT_LEAST_PX = 200

RgbU8 = npt.NDArray[np.uint8]
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PhotoBank:
    """Decoded photographs, largest first of a halving pyramid each."""

    pyramids: tuple[tuple[RgbU8, ...], ...]
    """Per photo: (H, W, 3) uint8 RGB pictures, each half the size of the one before."""

    def crop(self, rng: np.random.Generator, size_px: int) -> RgbU8:
        """Return a random square crop, (size_px, size_px, 3) uint8, from a random scale.

        Wallpapers hold much sky: a crop without texture is drawn again, at most twice.
        """
        for _ in range(2):
            window = self._window(rng, size_px)
            if np.abs(np.diff(window.astype(np.int16), axis=1)).mean() > _FLAT_BELOW:
                return window
        return self._window(rng, size_px)

    def _window(self, rng: np.random.Generator, size_px: int) -> RgbU8:
        pyramid = self.pyramids[rng.integers(len(self.pyramids))]
        level = pyramid[rng.integers(len(pyramid))]
        height, width = level.shape[:2]
        side = int(min(height, width, size_px * rng.uniform(0.75, 1.5)))
        top = rng.integers(height - side + 1)
        left = rng.integers(width - side + 1)
        window = level[top : top + side, left : left + side]
        if side == size_px:
            return window
        return np.asarray(
            Image.fromarray(window).resize((size_px, size_px), Image.Resampling.BICUBIC)
        )


def load_photos(directory: Path, *, held_out: bool = False) -> PhotoBank:
    """Return the training photos under ``directory``, or every eighth, held-out one.

    Raises:
        InputError: if there are no usable pictures.
    """
    files = _distinct(directory) + _skimage_files()
    chosen = [f for i, f in enumerate(files) if (i % _HELD_OUT_EVERY == 0) == held_out]
    pyramids = tuple(p for p in map(_pyramid, chosen) if p)
    if not pyramids:
        raise InputError(f"no pictures under {directory} (--photos); expected .jpg, .png or .webp")
    _log.info("%d photos (%s)", len(pyramids), "held out" if held_out else "training")
    return PhotoBank(pyramids)


def fetch_photos(directory: Path) -> Path:
    """Download and unpack the Debian packages into ``directory``; returns it.

    Raises:
        SourceError: if ``apt-get`` or ``dpkg`` is missing or fails.
    """
    directory.mkdir(parents=True, exist_ok=True)
    for tool in ("apt-get", "dpkg"):
        if shutil.which(tool) is None:
            raise SourceError(
                f"{tool} is not installed; pass --photos DIR with pictures of your own"
            )
    for package in DEBIAN_PACKAGES:
        if (directory / package).is_dir():
            continue
        if not list(directory.glob(f"{package}_*.deb")):
            _run(["apt-get", "download", package], directory)
        (archive,) = directory.glob(f"{package}_*.deb")
        _run(["dpkg", "-x", archive.name, package], directory)
    return directory


def _run(command: list[str], directory: Path) -> None:
    result = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    if result.returncode:
        raise SourceError(
            f"'{' '.join(command)}' failed: {result.stderr.strip()[-300:]}; "
            "pass --photos DIR with pictures of your own"
        )


def _distinct(directory: Path) -> list[Path]:
    """Return one file, the largest, per folder-and-stem group of the same wallpaper."""
    if not directory.is_dir():
        raise ArtefactNotFoundError(f"{directory} (--photos) is not a directory")
    best: dict[str, Path] = {}
    for file in sorted(directory.rglob("*")):
        if file.suffix.lower() not in _SUFFIXES or file.stem == "screenshot" or file.is_symlink():
            continue
        sized = "x" in file.stem and file.stem.replace("x", "").isdigit()
        key = str(file.parent if sized else file)
        if key not in best or file.stat().st_size > best[key].stat().st_size:
            best[key] = file
    return [best[key] for key in sorted(best)]


def _skimage_files() -> list[Path]:
    try:
        import skimage.data
    except ImportError:
        return []
    folder = Path(skimage.data.__file__).parent
    found = [next(folder.glob(f"{name}.*"), None) for name in SKIMAGE_SAMPLES]
    return [file for file in found if file is not None]


def _pyramid(file: Path) -> tuple[RgbU8, ...]:
    with Image.open(file) as opened:
        opened.draft("RGB", (2 * _LONG_SIDE_PX, 2 * _LONG_SIDE_PX))
        picture = opened.convert("RGB")
    picture.thumbnail((_LONG_SIDE_PX, _LONG_SIDE_PX), Image.Resampling.BICUBIC)
    levels = []
    while min(picture.size) >= _SHORT_SIDE_AT_LEAST_PX:
        levels.append(np.asarray(picture))
        picture = picture.reduce(2)
    return tuple(levels)
