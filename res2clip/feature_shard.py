"""A shard of the feature cache: the features of a few pictures in one safetensors file.

    features  (n, T * P + 1, D) float16    the patches, tap by tap, then the global feature
    metadata  res2clip: {"format": 1, "pictures": [sha256 of each file], "crc32": [of each row]}

A shard is written whole or not at all and never changed; it is read through a memory map.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save

from res2clip_runtime.errors import ArtefactError, FormatVersionError
from res2clip_runtime.spec import canonical_json
from res2clip_runtime.storage import write_atomically

__all__ = ["HalfRow", "Shard", "write_shard"]

HalfRow = npt.NDArray[np.float16]
"""(T * P + 1, D) float16."""

_FORMAT = 1
_KEY = "res2clip"
_TENSOR = "features"
_LENGTH_BYTES = 8
"""A safetensors file begins with the length of its JSON header, little-endian."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """What a shard holds and where."""

    path: Path
    """The file."""
    pictures: tuple[str, ...]
    """sha256 of each picture's file."""
    crc32: tuple[int, ...]
    """Of each picture's row."""
    shape: tuple[int, int, int]
    """(n, T * P + 1, D)."""
    offset: int
    """Byte at which the features begin."""

    @classmethod
    def open(cls, path: Path) -> Shard:
        """Return a shard from its header; no features are read.

        Raises:
            FormatVersionError: it was written by a newer res2clip.
            ArtefactError: it is damaged or truncated.
        """
        try:
            header, offset = _header(path)
            about = json.loads(header["__metadata__"][_KEY])
            if about["format"] != _FORMAT:
                raise FormatVersionError(f"{path} was written by a newer res2clip; upgrade it")
            count, rows, dim = header[_TENSOR]["shape"]
            pictures, crc32 = tuple(about["pictures"]), tuple(about["crc32"])
            expected, got = offset + 2 * count * rows * dim, path.stat().st_size
            if not len(pictures) == len(crc32) == count or expected != got:
                raise ValueError(f"{got} bytes, expected {expected}")
        except (OSError, ValueError, KeyError, TypeError) as err:
            if isinstance(err, FormatVersionError):
                raise
            raise ArtefactError(f"{path} is damaged ({err})") from err
        return cls(
            path=path, pictures=pictures, crc32=crc32, shape=(count, rows, dim), offset=offset
        )

    def map(self) -> HalfRow:
        """Return the (n, T * P + 1, D) features, mapped, not read.

        Raises:
            ArtefactError: the file has gone or shrunk.
        """
        try:
            return np.memmap(self.path, np.float16, mode="r", offset=self.offset, shape=self.shape)
        except (OSError, ValueError) as err:
            raise self.damage(str(err)) from err

    def check(self, index: int, row: HalfRow) -> None:
        """Raise ArtefactError unless ``row`` holds the bytes that were written."""
        if _crc32(row) != self.crc32[index]:
            raise self.damage("its bytes are not those that were written")

    def damage(self, what: str) -> ArtefactError:
        """Return the error that says so, and what to do."""
        return ArtefactError(
            f"the feature cache's {self.path} is damaged ({what}); delete that file and start "
            "again, its pictures are then encoded again"
        )


def write_shard(path: Path, rows: Mapping[str, HalfRow]) -> None:
    """Write a shard: the row of each picture by the sha256 of its file.

    Raises:
        OutputError: the disk is full or not writable.
    """
    features = np.stack(list(rows.values()))
    about = {
        "format": _FORMAT,
        "pictures": list(rows),
        "crc32": [_crc32(row) for row in features],
    }
    write_atomically(path, save({_TENSOR: features}, metadata={_KEY: canonical_json(about)}))


def _crc32(row: HalfRow) -> int:
    return zlib.crc32(np.ascontiguousarray(row).data)


def _header(path: Path) -> tuple[dict[str, Any], int]:
    """Return a safetensors file's header and where its data begins."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
        if not 0 < length < path.stat().st_size:
            raise ValueError("no header")
        return json.loads(file.read(length)), _LENGTH_BYTES + length
