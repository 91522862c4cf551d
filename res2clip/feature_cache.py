"""Features of picture files on disk: each picture is encoded once, whatever is trained or tested.

    DIR/<encoder_id>/<writer>-<number>.safetensors

The encoder is frozen, and its id covers weights, size and preprocessing, so a picture's features
depend on the bytes of its file alone. Each writer has its own file names, so processes never meet
in a file; a picture that two of them encoded is there twice, and either serves.
"""

from __future__ import annotations

import errno
import logging
import shutil
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from res2clip.encoding import PICTURES_AT_ONCE, encode_files
from res2clip.feature_shard import HalfRow, Shard, write_shard
from res2clip_runtime.closable import Closable
from res2clip_runtime.errors import (
    ArtefactError,
    ArtefactNotFoundError,
    FormatVersionError,
    InputError,
    OutputError,
)
from res2clip_runtime.stages import Features, Stages
from res2clip_runtime.storage import file_sha256, output_error

__all__ = ["FeatureCache"]

_PICTURES_A_SHARD = 16
"""What a kill costs at most; 135 MB at ViT-L/14, 518 px."""
_OPEN_SHARDS = 128
"""Every mapped file takes a file descriptor, of which a process has about a thousand."""
_ABANDONED_S = 3600.0
"""A temporary file that nobody has touched for so long belongs to a process that was killed."""

_log = logging.getLogger(__name__)


class FeatureCache(Closable):
    """A folder of shards; use it with ``with``."""

    def __init__(self, folder: Path, stages: Stages) -> None:
        """See :meth:`open`."""
        spec = stages.spec
        self.folder = folder
        self._stages = stages
        self._patches_shape = (len(spec.taps), spec.patches, spec.embed_dim)
        self._row_shape = (len(spec.taps) * spec.patches + 1, spec.embed_dim)
        self._writer, self._written = uuid.uuid4().hex, 0
        self._known: set[Path] = set()
        self._places: dict[str, tuple[Shard, int]] = {}
        self._checked: set[str] = set()
        self._digests: dict[Path, str] = {}
        self._mapped = lru_cache(maxsize=_OPEN_SHARDS)(Shard.map)
        self._scan()

    @classmethod
    def open(cls, directory: Path, stages: Stages) -> FeatureCache:
        """Return the cache of this encoder in ``directory``; made if missing.

        A shard that was damaged is removed with a warning: its pictures are encoded again.

        Raises:
            OutputError: the folder cannot be made.
            FormatVersionError: a newer res2clip wrote into it.
        """
        folder = directory / stages.spec.encoder_id
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as err:
            raise output_error(folder, err) from err
        return cls(folder, stages)

    def missing(self, paths: Iterable[Path]) -> tuple[Path, ...]:
        """Return the files whose features are not there yet, each picture once.

        Raises:
            InputError: a file cannot be read.
        """
        wanted = {self._digest(path): path for path in paths}
        return tuple(path for digest, path in wanted.items() if digest not in self._places)

    def bytes_of(self, pictures: int) -> int:
        """Return what that many pictures take on disk, in bytes."""
        return pictures * 2 * self._row_shape[0] * self._row_shape[1]

    def fill(
        self, paths: Sequence[Path], *, progress: Callable[[int, int], None] | None = None
    ) -> None:
        """Encode what is missing; durable after each shard, so a killed call costs one at most.

        Args:
            paths: of pictures.
            progress: told (pictures there, pictures in all).

        Raises:
            InputError: a picture cannot be used; names it.
            OutputError: there is no room for all of them, or the disk cannot be written.
        """
        self._remove_abandoned()
        missing = self.missing(paths)
        self._require_room(len(missing))
        there, total = len(set(paths)) - len(missing), len(set(paths))
        # A killed call leaves whole shards, so the next one encodes the same groups of pictures
        # together and gets the same bits.
        for first in range(0, len(missing), _PICTURES_A_SHARD):
            rows: dict[str, HalfRow] = {}
            for path, row in self._encode(missing[first : first + _PICTURES_A_SHARD]):
                rows[self._digest(path)] = row
                there += 1
                if progress:
                    progress(there, total)
            self._write(rows)

    def features(self, paths: Sequence[Path]) -> Features:
        """Return the features of pictures that were filled in, by this process or another.

        Raises:
            ArtefactNotFoundError: a picture is not in the cache.
            ArtefactError: a shard is damaged.
        """
        patches = np.empty((len(paths), *self._patches_shape), np.float32)
        image = np.empty((len(paths), self._patches_shape[-1]), np.float32)
        flat = patches.reshape(len(paths), -1, self._patches_shape[-1])  # (n, T * P, D)
        for index, path in enumerate(paths):
            row = self._row(path)
            flat[index], image[index] = row[:-1], row[-1]
        return Features(patches=patches, image=image)

    def close(self) -> None:
        """Let go of the files."""
        self._mapped.cache_clear()

    def _digest(self, path: Path) -> str:
        if path not in self._digests:
            try:
                self._digests[path] = file_sha256(path)
            except OSError as err:
                raise InputError(f"{path} cannot be read: {err.strerror or err}") from err
        return self._digests[path]

    def _row(self, path: Path) -> HalfRow:
        digest = self._digest(path)
        if digest not in self._places:
            self._scan()  # another process may have written it
        if digest not in self._places:
            raise ArtefactNotFoundError(f"{path} is not in the feature cache {self.folder}")
        shard, index = self._places[digest]
        row: HalfRow = self._mapped(shard)[index]
        if digest not in self._checked:
            shard.check(index, row)
            self._checked.add(digest)
        return row

    def _encode(self, paths: Sequence[Path]) -> Iterator[tuple[Path, HalfRow]]:
        for first in range(0, len(paths), PICTURES_AT_ONCE):
            group = paths[first : first + PICTURES_AT_ONCE]
            features = encode_files(self._stages, group)
            flat = features.patches.reshape(len(group), -1, self._row_shape[1])  # (n, T * P, D)
            rows = np.concatenate([flat, features.image[:, None]], axis=1).astype(np.float16)
            yield from zip(group, rows, strict=True)

    def _write(self, rows: dict[str, HalfRow]) -> None:
        path = self.folder / f"{self._writer}-{self._written:06d}.safetensors"
        write_shard(path, rows)
        self._written += 1
        self._add(path)

    def _scan(self) -> None:
        """Take in the shards that were not there before."""
        for path in sorted(self.folder.glob("*.safetensors")):
            if path not in self._known:
                self._add(path)

    def _add(self, path: Path) -> None:
        try:
            shard = Shard.open(path)
            if shard.shape[1:] != self._row_shape:
                raise ArtefactError(f"{path} has features {shard.shape[1:]}, not {self._row_shape}")
        except FormatVersionError:
            raise
        except ArtefactError as err:
            _log.warning("%s; it is removed, its pictures are encoded again", err)
            path.unlink(missing_ok=True)
            return
        self._known.add(path)
        for index, digest in enumerate(shard.pictures):
            self._places.setdefault(digest, (shard, index))

    def _require_room(self, pictures: int) -> None:
        needed, free = self.bytes_of(pictures), shutil.disk_usage(self.folder).free
        if needed > free:
            raise OutputError(
                errno.ENOSPC,
                f"features of {pictures} pictures take {needed / 1e9:.1f} GB, {self.folder} has "
                f"{free / 1e9:.1f} GB free; choose another place (--cache) or go without "
                "(--no-cache)",
            )

    def _remove_abandoned(self) -> None:
        """Remove what processes that were killed left half written."""
        for path in self.folder.glob(".*.safetensors.*"):
            try:
                if time.time() - path.stat().st_mtime > _ABANDONED_S:
                    path.unlink()
            except FileNotFoundError:
                continue
