"""A product's recipe: reference bank, references and thresholds in one safetensors file.

The format is specified in ``docs/recipe.md``.
"""

from __future__ import annotations

import dataclasses
import math
import os
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as save_safetensors

from res2clip_runtime.errors import (
    ArtefactError,
    ArtefactNotFoundError,
    FormatVersionError,
    HashMismatchError,
)
from res2clip_runtime.safe_text import has_controls, shown
from res2clip_runtime.spec import canonical_json, sha256_hex
from res2clip_runtime.stages import FloatArray, mean_direction
from res2clip_runtime.storage import write_atomically
from res2clip_runtime.strict_json import parse_json

__all__ = [
    "FORMAT_VERSION",
    "Recipe",
    "Reference",
    "Threshold",
    "check_product",
    "default_recipe_path",
    "history_entry",
]

FORMAT_VERSION = 1
_METADATA_KEY = "res2clip.recipe"
_LONGEST_NAME = 160
"""Bytes of the product's name in its file's: a whole file name may have 255."""
_MOST_HEADER_BYTES = 16 << 20
"""Of a file's names, references and history; a recipe of a thousand pictures has 300 kB."""
_LONGEST_PRODUCT = 200
"""Characters of a product's name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """One good picture the product was taught with."""

    name: str
    """File name it came with."""
    sha256: str
    """sha256 of the file (or of the array's pixels) as it came."""
    rows: int
    """How many rows of the bank are its patches."""
    png: bytes = field(repr=False)
    """The preprocessed S x S picture as PNG, to look at and to teach another encoder with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """What is still OK, under one ``score_id``."""

    score: float
    """Highest image score that is OK."""
    pixel: float | None
    """Highest anomaly-map value that is normal; None when only a score was given."""
    source: str
    """``given``, or ``leave-one-out maximum``."""
    calibrated: bool = False
    """Whether it carries a stated false-alarm bound."""
    calibration_scores: tuple[float, ...] = ()
    """Scores of good pictures it was made from."""

    def __post_init__(self) -> None:
        """Refuse what could never be compared with a score."""
        numbers = (self.score, *self.calibration_scores)
        numbers += () if self.pixel is None else (self.pixel,)
        if not all(type(number) in (int, float) for number in numbers):
            raise ArtefactError("a threshold is no number; set it again")
        if not all(math.isfinite(number) for number in numbers):
            raise ArtefactError("a threshold is not finite; set it again")
        if not isinstance(self.calibrated, bool) or not isinstance(self.source, str):
            raise ArtefactError("a threshold is damaged; set it again")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Recipe:
    """Everything needed to inspect one product with a given encoder."""

    product: str
    """Name of the product."""
    encoder_id: str
    """Encoder whose features the bank holds."""
    bank: FloatArray = field(repr=False)
    """(T, N, D) float32 unit-length reference patches (fp16 in the file)."""
    bank_rho: FloatArray = field(repr=False)
    """(N,) float32 distance of each reference patch from the grid's centre, in patches."""
    bank_global: FloatArray = field(repr=False)
    """(k, D) float32 global features of the references."""
    references: tuple[Reference, ...]
    """The k pictures, in bank order."""
    thresholds: Mapping[str, Threshold] = field(default_factory=dict)
    """Threshold by ``score_id``."""
    history: tuple[Mapping[str, str], ...] = ()
    """What was done to the recipe and when, oldest first."""

    def __post_init__(self) -> None:
        check_product(self.product)
        rows = sum(reference.rows for reference in self.references)
        if any(reference.rows < 1 for reference in self.references):
            raise ArtefactError("a reference has no patches; the file is damaged, teach it again")
        if self.bank.ndim != 3 or self.bank.shape[1] != rows or self.bank_rho.shape != (rows,):
            raise ArtefactError(
                f"the recipe's bank {self.bank.shape} and positions {self.bank_rho.shape} do not "
                f"match its references' {rows} patches; the file is damaged, teach it again"
            )
        if self.bank_global.shape != (len(self.references), self.bank.shape[2]):
            raise ArtefactError(
                f"the recipe's global features {self.bank_global.shape} do not match its "
                f"{len(self.references)} references; the file is damaged, teach it again"
            )
        for name in ("bank", "bank_rho", "bank_global"):
            if not np.isfinite(getattr(self, name)).all():
                raise ArtefactError(f"the recipe's {name} holds NaN or infinity; teach it again")
            # Engines keep on the device what cannot change.
            frozen = getattr(self, name).view()
            frozen.setflags(write=False)
            object.__setattr__(self, name, frozen)

    @property
    def bank_global_mean(self) -> FloatArray:
        """g_ref: (D,) normalised mean of the references' global features (section 7)."""
        return mean_direction(self.bank_global)

    def rows_of(self, index: int) -> slice:
        """Return the bank rows of reference ``index``."""
        start = sum(reference.rows for reference in self.references[:index])
        return slice(start, start + self.references[index].rows)

    def with_threshold(self, score_id: str, threshold: Threshold) -> Recipe:
        """Return the recipe with the threshold of ``score_id`` set or replaced."""
        return dataclasses.replace(self, thresholds={**self.thresholds, score_id: threshold})

    def describe(self) -> dict[str, Any]:
        """Return what a person or program wants to know of it, without the pictures."""
        return {
            "product": self.product,
            "format_version": FORMAT_VERSION,
            "encoder_id": self.encoder_id,
            "bank": {
                "taps": self.bank.shape[0],
                "patches": self.bank.shape[1],
                "width": self.bank.shape[2],
            },
            "references": [
                {"name": r.name, "sha256": r.sha256, "rows": r.rows} for r in self.references
            ],
            "thresholds": {k: _threshold_json(t) for k, t in self.thresholds.items()},
            "history": [dict(entry) for entry in self.history],
        }

    def save(self, path: str | Path) -> None:
        """Write the recipe to ``path``, atomically.

        Raises:
            OutputError: the place cannot be written; an older file there stays as it was.
        """
        tensors: dict[str, npt.NDArray[Any]] = {
            "bank": self.bank.astype(np.float16),
            "bank_rho": self.bank_rho,
            "bank_global": self.bank_global,
        }
        for index, reference in enumerate(self.references):
            tensors[f"reference/{index}"] = np.frombuffer(reference.png, dtype=np.uint8)
        tensors = {name: np.ascontiguousarray(value) for name, value in tensors.items()}
        metadata = {
            **self.describe(),
            "tensors": {name: sha256_hex(value.tobytes()) for name, value in tensors.items()},
        }
        metadata["sha256"] = _metadata_digest(metadata)
        write_atomically(
            Path(path), save_safetensors(tensors, {_METADATA_KEY: canonical_json(metadata)})
        )

    @classmethod
    def load(cls, path: str | Path) -> Recipe:
        """Return the recipe in the file at ``path``.

        Raises:
            ArtefactNotFoundError: there is no such file.
            FormatVersionError: a newer res2clip wrote it.
            HashMismatchError: its bytes are not the ones that were written.
            ArtefactError: it is no recipe, or damaged.
        """
        tensors, metadata = _read(Path(path))
        try:
            return _from_parts(tensors, metadata)
        except ArtefactError as err:
            raise type(err)(f"{path}: {err}") from err
        except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as err:
            raise ArtefactError(
                f"{path} is damaged: {type(err).__name__} {err}; teach the product again"
            ) from err


def default_recipe_path(product: str) -> Path:
    """Return the name of the file that the recipe of ``product`` is saved in; it has no folder."""
    name = re.sub(r"[^\w.-]+", "_", product.strip()).strip("._") or "product"
    return Path(f"{name.encode()[:_LONGEST_NAME].decode(errors='ignore')}.recipe.safetensors")


def check_product(product: str) -> None:
    """Refuse a product's name that a terminal, a log or a file of results could not carry.

    Raises:
        ArtefactError: it is empty, too long, or holds control characters.
    """
    if not isinstance(product, str) or not product.strip():
        raise ArtefactError("the product has no name; give it one")
    if len(product) > _LONGEST_PRODUCT or has_controls(product):
        raise ArtefactError(
            f"the product's name {shown(product[:40])!r} has {len(product)} characters, expected "
            f"at most {_LONGEST_PRODUCT}, none of them a control character; give it another name"
        )


def history_entry(what: str) -> dict[str, str]:
    """Return a history line saying that ``what`` was done now (UTC)."""
    return {"when": datetime.now(timezone.utc).isoformat(timespec="seconds"), "what": what}


def _read(path: Path) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]:
    if not path.is_file():
        raise ArtefactNotFoundError(
            f"no recipe at {path}; make one with: res2clip teach --product NAME good/*.png"
        )
    try:
        _check_header(path)
        with safe_open(path, framework="np") as file:
            text = (file.metadata() or {}).get(_METADATA_KEY)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError, TypeError, AttributeError, KeyError) as err:
        # The last three: of element types that NumPy does not have.
        raise ArtefactError(f"{path} is not a recipe or is truncated: {err}") from err
    if text is None:
        raise ArtefactError(f"{path} is a safetensors file, but not a recipe of res2clip")
    try:
        metadata = parse_json(text, most_bytes=_MOST_HEADER_BYTES)
    except ValueError as err:
        raise ArtefactError(f"{path} is damaged: its metadata is no JSON ({err})") from err
    if not isinstance(metadata, dict):
        raise ArtefactError(f"{path} is damaged: its metadata is no JSON object")
    return tensors, metadata


def _check_header(path: Path) -> None:
    """Raise ValueError for a header that no recipe has; the library would read 100 MB of it."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        start = file.read(8)
    length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
    if length > min(_MOST_HEADER_BYTES, size):
        raise ValueError(f"its header is said to have {length} bytes")


def _metadata_digest(metadata: dict[str, Any]) -> str:
    """Return the sha256 of the canonical JSON of everything but the digest itself."""
    rest = {key: value for key, value in metadata.items() if key != "sha256"}
    return sha256_hex(canonical_json(rest).encode())


def _from_parts(tensors: dict[str, npt.NDArray[Any]], metadata: dict[str, Any]) -> Recipe:
    version = int(metadata["format_version"])
    if version > FORMAT_VERSION:
        raise FormatVersionError(
            f"the recipe has format version {version}, this res2clip reads up to "
            f"{FORMAT_VERSION}; upgrade res2clip"
        )
    if metadata["sha256"] != _metadata_digest(metadata):
        raise HashMismatchError(
            "its metadata (thresholds, references) is not what was saved; restore a copy"
        )
    expected = {str(name): str(digest) for name, digest in metadata["tensors"].items()}
    if set(expected) != set(tensors):
        raise ArtefactError(
            f"it holds tensors {sorted(tensors)}, its metadata names {sorted(expected)}"
        )
    for name, value in tensors.items():
        if sha256_hex(np.ascontiguousarray(value).tobytes()) != expected[name]:
            raise HashMismatchError(f"tensor '{name}' is not what was saved; restore a copy")
    if not metadata["references"]:
        raise ArtefactError("it holds no reference; the file is damaged, teach it again")
    return Recipe(
        product=metadata["product"],
        encoder_id=str(metadata["encoder_id"]),
        bank=_tensor(tensors, "bank", np.float16),
        bank_rho=_tensor(tensors, "bank_rho", np.float32),
        bank_global=_tensor(tensors, "bank_global", np.float32),
        references=tuple(
            Reference(
                name=str(entry["name"]),
                sha256=str(entry["sha256"]),
                rows=int(entry["rows"]),
                png=tensors[f"reference/{index}"].tobytes(),
            )
            for index, entry in enumerate(metadata["references"])
        ),
        thresholds={str(k): _threshold(v) for k, v in metadata["thresholds"].items()},
        history=tuple(
            {str(key): str(value) for key, value in entry.items()} for entry in metadata["history"]
        ),
    )


def _tensor(
    tensors: dict[str, npt.NDArray[Any]], name: str, dtype: type[np.floating[Any]]
) -> FloatArray:
    value = tensors[name]
    if value.dtype != dtype:
        raise ArtefactError(f"tensor '{name}' is {value.dtype}, expected {np.dtype(dtype)}")
    return value.astype(np.float32)


def _threshold_json(threshold: Threshold) -> dict[str, Any]:
    return {
        **dataclasses.asdict(threshold),
        "calibration_scores": list(threshold.calibration_scores),
    }


def _threshold(values: dict[str, Any]) -> Threshold:
    return Threshold(
        **{**values, "calibration_scores": tuple(map(float, values["calibration_scores"]))}
    )
