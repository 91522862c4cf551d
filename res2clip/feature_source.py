"""Where the features of picture files come from: each file is encoded once.

The encoder is frozen, so what it says of a picture serves every draw of references, every number of
shots and every set of heads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from res2clip.encoding import encode_files
from res2clip.scratch import scratch_error, scratch_file
from res2clip_runtime.closable import Closable
from res2clip_runtime.stages import Features, FloatArray, Stages

__all__ = ["FeatureSource", "Progress", "ScratchFeatures"]

Progress = Callable[[int, int], None]
"""Called with (done, in all)."""


class FeatureSource(Protocol):
    """Features of picture files, kept somewhere."""

    def fill(self, paths: Sequence[Path], *, progress: Progress | None = None) -> None:
        """Encode the pictures that are not there yet."""

    def features(self, paths: Sequence[Path]) -> Features:
        """Return the features of the pictures, in their order."""


class ScratchFeatures(Closable):
    """Keeps features in a temporary file, in full precision; close it or use ``with``.

    ViT-L/14 at 518 px takes 17 MB a picture.
    """

    def __init__(self, stages: Stages) -> None:
        """Keep what ``stages`` encode.

        Raises:
            OutputError: there is no place for a temporary file.
        """
        self._stages = stages
        spec = stages.spec
        self._shape = (len(spec.taps), spec.patches, spec.embed_dim)
        self._length = spec.embed_dim * (len(spec.taps) * spec.patches + 1)
        self._file = scratch_file()
        self._place: dict[Path, int] = {}

    def fill(self, paths: Sequence[Path], *, progress: Progress | None = None) -> None:
        """Encode the pictures that are not there yet.

        Raises:
            InputError: a picture cannot be used; names it.
            OutputError: the disk is full.
        """
        for done, path in enumerate(paths, start=1):
            if path not in self._place:
                self._append(path)
            if progress:
                progress(done, len(paths))

    def features(self, paths: Sequence[Path]) -> Features:
        """Return the features of the pictures, in their order.

        Raises:
            InputError: a picture cannot be used; names it.
            OutputError: the disk is full.
        """
        self.fill(paths)
        patches = np.empty((len(paths), *self._shape), np.float32)  # (n, T, P, D)
        image = np.empty((len(paths), self._shape[-1]), np.float32)
        for index, path in enumerate(paths):
            row = self._read(self._place[path])
            patches[index] = row[: -self._shape[-1]].reshape(self._shape)
            image[index] = row[-self._shape[-1] :]
        return Features(patches=patches, image=image)

    def close(self) -> None:
        """Drop the features."""
        self._file.close()

    def _append(self, path: Path) -> None:
        features = encode_files(self._stages, [path])
        try:
            self._file.seek(0, 2)
            self._file.write(features.patches[0].astype(np.float32, copy=False).tobytes())
            self._file.write(features.image[0].astype(np.float32, copy=False).tobytes())
            self._file.flush()
        except OSError as err:
            raise scratch_error(err) from err
        self._place[path] = len(self._place)

    def _read(self, place: int) -> FloatArray:
        self._file.seek(place * self._length * 4)
        return np.fromfile(self._file, np.float32, self._length)
