"""Recipes that were tampered with, their hashes made to fit again: a hash is no signature."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

from res2clip_runtime.spec import canonical_json, sha256_hex

__all__ = ["read_header", "read_metadata", "sealed"]


def read_header(path: Path) -> dict[str, Any]:
    """Return the header of a safetensors file."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header: dict[str, Any] = json.loads(data[8 : 8 + length])
    return header


def read_metadata(path: Path) -> dict[str, Any]:
    """Return the recipe's metadata."""
    metadata: dict[str, Any] = json.loads(read_header(path)["__metadata__"]["res2clip.recipe"])
    return metadata


def sealed(metadata: dict[str, Any]) -> str:
    """Return ``metadata`` as it is stored, with the hash that fits it."""
    rest = {key: value for key, value in metadata.items() if key != "sha256"}
    return canonical_json({**rest, "sha256": sha256_hex(canonical_json(rest).encode())})
