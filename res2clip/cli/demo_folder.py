"""The folder of a demo: what lies where, and whose it is."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from res2clip_runtime.errors import InputError
from res2clip_runtime.recipe import default_recipe_path
from res2clip_runtime.storage import output_error, write_atomically

__all__ = ["DemoFolder"]

_MARKER = "demo.json"


@dataclass(frozen=True, slots=True)
class DemoFolder:
    """Places below ``--out``."""

    root: Path
    """The folder itself."""

    @property
    def data(self) -> Path:
        """Drawn pictures, used again."""
        return self.root / "data"

    @property
    def bundle(self) -> Path:
        """The exported model, used again."""
        return self.root / "bundle"

    @property
    def results(self) -> Path:
        """The verdicts, one JSON object a line."""
        return self.root / "results.jsonl"

    @property
    def pictures(self) -> Path:
        """The pictures of the verdicts, a folder for each category."""
        return self.root / "pictures"

    @property
    def report(self) -> Path:
        """The HTML file."""
        return self.root / "report.html"

    def recipe_of(self, category: str) -> Path:
        """Return the file of a category's recipe."""
        return self.root / default_recipe_path(category)

    def pictures_of(self, category: str) -> Path:
        """Return the folder of a category's pictures."""
        return self.pictures / default_recipe_path(category).name.removesuffix(
            ".recipe.safetensors"
        )

    def claim(self, options: Mapping[str, Any]) -> None:
        """Make the folder a demo's and note the options in it.

        Raises:
            InputError: it holds something that no demo has put there.
            OutputError: it cannot be written.
        """
        marker = self.root / _MARKER
        if self.root.exists() and not self.root.is_dir():
            raise InputError(f"{self.root} is a file; choose a folder with --out")
        if self.root.is_dir() and not marker.exists() and any(self.root.iterdir()):
            raise InputError(
                f"{self.root} holds files that are not a demo's; choose another folder with --out"
            )
        write_atomically(marker, (json.dumps(dict(options), indent=2) + "\n").encode())

    def clear_results(self) -> None:
        """Remove the verdicts and pictures of an earlier demo.

        Raises:
            OutputError: they cannot be removed.
        """
        try:
            self.results.unlink(missing_ok=True)
            if self.pictures.exists():
                shutil.rmtree(self.pictures)
        except OSError as err:
            raise output_error(self.root, err) from err
