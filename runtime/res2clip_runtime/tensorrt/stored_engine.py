"""Where an engine, its sidecar and the log of its build are."""

from __future__ import annotations

from pathlib import Path

__all__ = ["StoredEngine"]


class StoredEngine:
    """The three files of a stage in a folder."""

    def __init__(self, folder: Path, stage: str) -> None:
        """Name them; none need be there."""
        self.plan = folder / f"{stage}.engine"
        self.record = folder / f"{stage}.engine.json"
        self.log = folder / f"{stage}.build.log"
