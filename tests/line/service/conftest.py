"""What the tests of the line share: a model, a recipe, parts, and models that fail."""

from __future__ import annotations

from pathlib import Path

import pytest
from drawn_parts import draw_part, save_parts

from res2clip_runtime.inspector import Inspector
from res2clip_runtime.recipe import Recipe
from res2clip_runtime.service.recipe_book import RecipeBook
from res2clip_runtime.service.recipe_file import RecipeFile


@pytest.fixture(scope="session")
def washer(inspector: Inspector) -> Recipe:
    return inspector.teach([draw_part(seed) for seed in range(4)], product="washer")


@pytest.fixture(scope="session")
def recipe_file(washer: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recipes") / "washer.recipe.safetensors"
    washer.save(path)
    return path


@pytest.fixture(scope="session")
def nut_file(inspector: Inspector, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same parts as another product."""
    path = tmp_path_factory.mktemp("recipes") / "nut.recipe.safetensors"
    inspector.teach([draw_part(seed) for seed in range(4)], product="nut").save(path)
    return path


@pytest.fixture
def book(inspector: Inspector, recipe_file: Path) -> RecipeBook:
    return RecipeBook([RecipeFile(file=recipe_file)], inspector.stages)


@pytest.fixture(scope="session")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six good parts, then three scratched ones."""
    folder = tmp_path_factory.mktemp("parts")
    save_parts(folder / "a-good", 6, first_seed=10)
    save_parts(folder / "b-scratched", 3, first_seed=20, scratched=True)
    return folder
