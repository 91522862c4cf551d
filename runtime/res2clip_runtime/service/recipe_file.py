"""A recipe as the configuration names it, and as the line lists it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from res2clip_runtime.recipe import Recipe, Threshold

__all__ = ["ListedRecipe", "RecipeFile", "taught_files"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeFile:
    """A recipe and the thresholds to use instead of its own."""

    file: Path
    """``*.recipe.safetensors``."""
    camera: str = ""
    """Camera it is for; empty: every camera that has none of its own."""
    threshold: float | None = None
    """Highest score that is OK."""
    pixel_threshold: float | None = None
    """Highest normal value of the map."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedRecipe:
    """One recipe of the book, for people and programs that choose or change it."""

    entry: RecipeFile
    """Its file, its camera, and what the configuration fixes."""
    recipe: Recipe
    """As it is used, with the thresholds that the configuration gives."""
    threshold: Threshold | None
    """That of this model; None: every verdict is ERROR."""

    @property
    def threshold_fixed(self) -> bool:
        """Whether the configuration gives the threshold, so that it cannot be set here."""
        return self.entry.threshold is not None


def taught_files(folder: Path) -> list[RecipeFile]:
    """Return the recipes in a folder where products are taught; none where there is no folder."""
    return [RecipeFile(file=file) for file in sorted(folder.glob("*.recipe.safetensors"))]
