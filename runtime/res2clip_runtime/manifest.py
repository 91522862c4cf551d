"""The ``manifest.json`` of a bundle; every field is specified in ``docs/bundle.md``."""

from __future__ import annotations

import dataclasses
import json
import re
from dataclasses import dataclass
from typing import Any

from res2clip_runtime.errors import ArtefactError, FormatVersionError
from res2clip_runtime.safe_text import has_controls, shown
from res2clip_runtime.spec import CLIP_MEAN, CLIP_STD, MethodSpec
from res2clip_runtime.strict_json import parse_json

__all__ = [
    "FORMAT_VERSION",
    "STAGE_NAMES",
    "FileEntry",
    "Manifest",
    "StageEntry",
    "TensorEntry",
    "preprocessing_of",
]

FORMAT_VERSION = 1
STAGE_NAMES = ("encoder", "match", "heads")
MOST_BYTES = 4 << 20
"""Of the file; ours have 6 kB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorEntry:
    """Name and type of a graph's input or output."""

    name: str
    """Name in the graph; part of the interface."""
    dtype: str
    """NumPy name of the element type."""
    shape: tuple[int | str, ...]
    """Sizes; a letter stands for a free one (B pictures, N references)."""
    meaning: str
    """One line for the reader."""

    def __post_init__(self) -> None:
        if not all(isinstance(size, (int, str)) for size in self.shape):
            raise TypeError("a shape holds neither sizes nor letters")
        _require_texts(self.name, self.dtype, self.meaning)


@dataclass(frozen=True, slots=True, kw_only=True)
class StageEntry:
    """One exported stage."""

    file: str
    """ONNX file in the bundle."""
    inputs: tuple[TensorEntry, ...]
    """In the graph's order."""
    outputs: tuple[TensorEntry, ...]
    """In the graph's order."""

    def __post_init__(self) -> None:
        _require_texts(self.file)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEntry:
    """A file of the bundle as it was written."""

    sha256: str
    """64 hexadecimal digits."""
    bytes: int
    """Its size."""

    def __post_init__(self) -> None:
        _require_texts(self.sha256)
        if type(self.bytes) is not int:
            raise TypeError("a file's size is no whole number")


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a bundle is and how it is used."""

    name: str
    """Folder name suggested for the bundle."""
    created: str
    """ISO 8601, UTC."""
    backbone: dict[str, str]
    """``name``, ``weights`` (tag or file), ``licence``."""
    heads: str
    """``none`` (training-free) or the name of the head weights."""
    method: MethodSpec
    """Constants of the method."""
    preprocessing: dict[str, Any]
    """How a picture becomes the encoder's input."""
    stages: dict[str, StageEntry]
    """By stage name: encoder, match, heads."""
    files: dict[str, FileEntry]
    """Every other file of the bundle, by name."""
    versions: dict[str, str]
    """Libraries that made it."""
    parity: dict[str, Any]
    """Summary of ``parity.json``."""
    format_version: int = FORMAT_VERSION
    """Of this file."""

    def to_json(self) -> str:
        """Return the file's text."""
        return json.dumps(
            {**dataclasses.asdict(self), "method": self.method.to_json()}, indent=2, sort_keys=True
        )

    @classmethod
    def from_json(cls, text: str) -> Manifest:
        """Return the manifest in ``text``.

        Raises:
            FormatVersionError: a newer res2clip wrote it.
            ArtefactError: it is not a manifest, or holds what this res2clip does not know.
        """
        try:
            values = parse_json(text, most_bytes=MOST_BYTES)
            version = int(values["format_version"])
        except (ValueError, KeyError, TypeError, ArithmeticError) as err:
            raise ArtefactError(
                f"manifest.json is damaged ({err}); export the bundle again"
            ) from err
        if version > FORMAT_VERSION:
            raise FormatVersionError(
                f"the bundle has format version {version}, this res2clip reads up to "
                f"{FORMAT_VERSION}; upgrade res2clip"
            )
        known = {field.name for field in dataclasses.fields(cls)}
        if set(values) != known:
            odd = sorted(set(values) ^ known)
            raise ArtefactError(
                f"manifest.json has missing or unknown fields {odd}; export the bundle again"
            )
        try:
            manifest = cls(**{**values, **_parsed(values)})
        except (KeyError, TypeError, ValueError, AttributeError) as err:
            if isinstance(err, ArtefactError):
                raise
            raise ArtefactError(
                f"manifest.json is damaged ({err}); export the bundle again"
            ) from err
        _check(manifest)
        return manifest


def preprocessing_of(image_size_px: int) -> dict[str, Any]:
    """Return the manifest's description of method.md section 1."""
    return {
        "mode": "square",
        "resample": "bicubic-antialiased (Pillow)",
        "image_size_px": image_size_px,
        "layout": "BHWC uint8 RGB; scaled and normalised inside the encoder",
        "mean": list(CLIP_MEAN),
        "std": list(CLIP_STD),
    }


def _require_texts(*values: object) -> None:
    if not all(isinstance(value, str) and not has_controls(value) for value in values):
        raise TypeError("a name is no text, or holds control characters")


def _parsed(values: dict[str, Any]) -> dict[str, Any]:
    _require_texts(values["name"], values["created"], values["heads"])
    return {
        "backbone": {str(key): str(value) for key, value in values["backbone"].items()},
        "method": MethodSpec.from_json(values["method"]),
        "stages": {name: _stage(stage) for name, stage in values["stages"].items()},
        "versions": {str(key): str(value) for key, value in values["versions"].items()},
        "parity": dict(values["parity"]),
        "files": {name: FileEntry(**entry) for name, entry in values["files"].items()},
    }


def _stage(values: dict[str, Any]) -> StageEntry:
    def tensors(entries: list[dict[str, Any]]) -> tuple[TensorEntry, ...]:
        return tuple(TensorEntry(**{**e, "shape": tuple(e["shape"])}) for e in entries)

    return StageEntry(
        file=values["file"], inputs=tensors(values["inputs"]), outputs=tensors(values["outputs"])
    )


def _check(manifest: Manifest) -> None:
    if set(manifest.stages) != set(STAGE_NAMES):
        raise ArtefactError(
            f"the bundle's stages are {sorted(manifest.stages)}, expected {sorted(STAGE_NAMES)}"
        )
    expected = preprocessing_of(manifest.method.image_size_px)
    if manifest.preprocessing != expected:
        raise ArtefactError(
            "the bundle wants a preprocessing this res2clip does not know; upgrade res2clip"
        )
    for name in manifest.files:
        if not re.fullmatch(r"\w[\w.-]{0,127}", name):
            raise ArtefactError(f"the bundle names a file outside itself: {shown(name[:128])}")
    for stage in manifest.stages.values():
        if stage.file not in manifest.files:
            raise ArtefactError(f"the bundle has no hash for {stage.file}; export it again")
