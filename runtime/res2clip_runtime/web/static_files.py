"""The page's own files, read once: what is not among them does not exist."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["StaticFile", "load_static"]

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
    ".webmanifest": "application/manifest+json",
}


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file to be sent as it is."""

    data: bytes = field(repr=False)
    """What stands in it."""
    media_type: str
    """Its kind."""
    tag: str
    """Changes when the file does (``ETag``)."""


def load_static(folder: Path) -> dict[str, StaticFile]:
    """Return the files in a folder and those below it by their path there."""
    return {
        path.relative_to(folder).as_posix(): _load(path)
        for path in sorted(folder.rglob("*"))
        if path.suffix in _TYPES and path.is_file()
    }


def _load(path: Path) -> StaticFile:
    data = path.read_bytes()
    return StaticFile(data, _TYPES[path.suffix], f'"{hashlib.sha256(data).hexdigest()[:20]}"')
