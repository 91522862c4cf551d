"""Tensors out of a TorchScript archive, without running any of its code.

OpenAI published CLIP as TorchScript archives: a zip of pickles, code and raw storages.
``torch.jit.load`` would compile the code inside; here a stub unpickler reads the one pickle that
lists the tensors, knows tensors and nothing else, and refuses every other name.
"""

from __future__ import annotations

import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from res2clip_runtime.errors import ArtefactError

__all__ = ["check_inflation", "is_torchscript_archive", "read_torchscript_tensors"]

_DTYPES = {
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "DoubleStorage": torch.float64,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}

_MOST_COMPRESSED = 64 << 20
"""Bytes of code and tables that may be compressed well."""


def is_torchscript_archive(path: Path) -> bool:
    """Return whether the file is a zip with TorchScript code in it."""
    if not zipfile.is_zipfile(path):
        return False
    try:
        archive = zipfile.ZipFile(path)
    except zipfile.BadZipFile as err:
        raise ArtefactError(f"{path} is damaged: {err}; download it again") from err
    with archive:
        return any(
            "/code/" in name or name.endswith("constants.pkl") for name in archive.namelist()
        )


def check_inflation(path: Path) -> None:
    """Refuse a zip that unfolds into far more than it weighs; tensors are stored as they are.

    Raises:
        ArtefactError: it is such a bomb, or no whole zip.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            unfolded = sum(entry.file_size for entry in archive.infolist())
    except (zipfile.BadZipFile, ValueError, OverflowError, NotImplementedError) as err:
        raise ArtefactError(f"{path} is damaged: {err}; download it again") from err
    if unfolded > 2 * path.stat().st_size + _MOST_COMPRESSED:
        raise ArtefactError(
            f"{path} would unfold from {path.stat().st_size} into {unfolded} bytes; weights are "
            "stored uncompressed, so these are none; download them from where they were published"
        )


def read_torchscript_tensors(path: Path) -> dict[str, Tensor]:
    """Return every parameter and buffer of the archive by its dotted name.

    Raises:
        ArtefactError: the archive is damaged, or holds anything but modules and tensors.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            (pickled,) = (
                n for n in archive.namelist() if n.count("/") == 1 and n.endswith("/data.pkl")
            )
            prefix = pickled.removesuffix("data.pkl")
            _require_little_endian(archive, prefix)
            with archive.open(pickled) as stream:
                root = _TensorUnpickler(stream, archive, prefix).load()
        return dict(_named_tensors(root))
    except (zipfile.BadZipFile, pickle.UnpicklingError, ValueError, KeyError, EOFError) as err:
        raise ArtefactError(f"{path} is not a readable TorchScript archive: {err}") from err
    except (RuntimeError, TypeError, AttributeError, IndexError, MemoryError, OverflowError) as err:
        raise ArtefactError(f"{path} is damaged: {err}; download it again") from err


class _Module:
    """Stands for any TorchScript class: it only keeps its attributes."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)


class _Storage:
    """Names a storage's element type."""

    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype = dtype


class _TensorUnpickler(pickle.Unpickler):
    def __init__(self, stream: Any, archive: zipfile.ZipFile, prefix: str) -> None:
        super().__init__(stream)
        self._archive = archive
        self._prefix = prefix
        self._storages: dict[str, Tensor] = {}

    def find_class(self, module: str, name: str) -> Any:
        if module == "__torch__" or module.startswith("__torch__."):
            return _Module
        if module == "torch" and name in _DTYPES:
            return _Storage(_DTYPES[name])
        known: dict[tuple[str, str], Callable[..., Any]] = {
            ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
            ("collections", "OrderedDict"): OrderedDict,
            ("torch.jit._pickle", "build_intlist"): list,
            ("torch.jit._pickle", "build_doublelist"): list,
            ("torch.jit._pickle", "build_boollist"): list,
            ("torch.jit._pickle", "build_tensorlist"): list,
        }
        if (module, name) not in known:
            raise pickle.UnpicklingError(
                f"it refers to {module}.{name}; only modules and tensors are read"
            )
        return known[module, name]

    def persistent_load(self, pid: Any) -> Tensor:
        kind, storage, key, _device, count = pid
        if kind != "storage" or not isinstance(storage, _Storage) or not str(key).isalnum():
            raise pickle.UnpicklingError(f"unknown reference {pid!r}")
        if key not in self._storages:
            data = bytearray(self._archive.read(f"{self._prefix}data/{key}"))
            values = torch.frombuffer(data, dtype=storage.dtype) if data else torch.empty(0)
            if len(values) < count:
                raise pickle.UnpicklingError(f"storage {key} is shorter than its {count} elements")
            self._storages[key] = values
        return self._storages[key]


def _rebuild_tensor(storage: Tensor, offset: int, size: Any, stride: Any, *_: Any) -> Tensor:
    # as_strided refuses to reach beyond the storage.
    return torch.as_strided(storage, tuple(size), tuple(stride), int(offset))


def _require_little_endian(archive: zipfile.ZipFile, prefix: str) -> None:
    name = f"{prefix}byteorder"
    if name in archive.namelist() and archive.read(name).strip() != b"little":
        raise ValueError("its tensors are stored big-endian; save it on a little-endian machine")


def _named_tensors(root: Any) -> list[tuple[str, Tensor]]:
    """Return tensors by their way from the root, the first where several lead to one module.

    Following every way would take for ever in a file whose modules share modules many levels deep.
    """
    found: list[tuple[str, Tensor]] = []
    seen: set[int] = set()
    waiting = [("", root)]
    while waiting:
        name, node = waiting.pop()
        if isinstance(node, Tensor):
            found.append((name, node))
        elif isinstance(node, _Module) and id(node) not in seen:
            seen.add(id(node))
            waiting += [(f"{name}.{k}" if name else str(k), v) for k, v in vars(node).items()]
    return found
