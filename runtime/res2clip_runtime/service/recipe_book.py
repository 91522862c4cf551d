"""The recipes of a line, all in memory, so that choosing another takes no time."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from res2clip_runtime.errors import ArtefactError, InputError, Res2ClipError
from res2clip_runtime.recipe import Recipe
from res2clip_runtime.spec import canonical_json, sha256_hex
from res2clip_runtime.stages import Stages
from res2clip_runtime.teaching import check_encoder
from res2clip_runtime.threshold_choice import threshold_doubts, with_given_thresholds

__all__ = ["RecipeBook", "RecipeFile"]

logger = logging.getLogger(__name__)


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


class RecipeBook:
    """Recipes by product and camera, the chosen product, and changed files read anew.

    Read from any thread; a recipe is replaced whole, so an inspection never sees half of one.
    """

    def __init__(
        self,
        files: Sequence[RecipeFile],
        stages: Stages,
        *,
        product: str | None = None,
        first: dict[Path, Recipe] | None = None,
    ) -> None:
        """Load ``files`` for the model ``stages`` and choose ``product``.

        Args:
            files: one or more; a product may have one for each camera.
            stages: the model that will inspect.
            product: chosen at first; None: the only one, or none where there are several.
            first: recipes that have been loaded already, by file.

        Raises:
            ArtefactNotFoundError: a file is missing.
            ArtefactError: a file is damaged, or belongs to another encoder.
            InputError: two are for the same product and camera, or ``product`` is not among them.
        """
        self._files = tuple(files)
        self._stages = stages
        # The states are taken before the contents: what changes in between is read again.
        self._states = {entry.file: _state(entry.file) for entry in files}
        self._recipes: dict[tuple[str, str], Recipe] = {}
        self._products: dict[RecipeFile, str] = {}
        for entry in files:
            recipe = self._load(entry, (first or {}).get(entry.file))
            key = (recipe.product, entry.camera)
            if key in self._recipes:
                where = f" and camera '{entry.camera}'" if entry.camera else ""
                raise InputError(
                    f"two recipes are for the product '{recipe.product}'{where}; the second is "
                    f"{entry.file}: leave one out, or give each its camera"
                )
            self._recipes[key] = recipe
            self._products[entry] = recipe.product
        self._ids = _ids_of(self._recipes)
        self.products = tuple(dict.fromkeys(product for product, _ in self._recipes))
        self._product = self.products[0] if len(self.products) == 1 else ""
        if product is not None:
            self.choose(product)

    @property
    def product(self) -> str:
        """The chosen product; empty while none is chosen."""
        return self._product

    @property
    def recipe_id(self) -> str:
        """First 16 digits of the sha256 of the chosen product's recipes; empty without one."""
        return self._ids.get(self._product, "")

    @property
    def cameras(self) -> tuple[str, ...]:
        """The cameras that have recipes of their own."""
        return tuple(dict.fromkeys(camera for _, camera in self._recipes if camera))

    def choose(self, product: str) -> None:
        """Use the recipes of ``product`` from now on.

        Raises:
            InputError: there is none; the one before stays chosen.
        """
        if product not in self.products:
            raise InputError(
                f"there is no recipe of the product '{product}'; "
                f"there are: {', '.join(self.products)}"
            )
        if product != self._product:
            logger.info("product %s is chosen", product)
        self._product = product

    def find(self, product: str, camera: str) -> Recipe | None:
        """Return the recipe of a product for a camera, or None if there is none."""
        recipes = self._recipes
        return recipes.get((product, camera)) or recipes.get((product, ""))

    def doubts(self) -> list[str]:
        """Return what a person should know of the thresholds before trusting a verdict."""
        score_id = self._stages.spec.score_id
        return [
            f"product {recipe.product}: {doubt}"
            for recipe in self._recipes.values()
            for doubt in threshold_doubts(recipe, score_id)
        ]

    def reload(self) -> None:
        """Read the files that have changed; one that cannot be used leaves the recipe as it was."""
        states = {file: _state(file) for file in self._states}
        changed = {file for file, state in states.items() if state != self._states[file]}
        self._states = states
        for entry in self._files:
            if entry.file not in changed:
                continue
            try:
                self._replace(entry, self._load(entry))
            except Res2ClipError as err:
                logger.error("recipe %s: the one loaded before stays in use: %s", entry.file, err)

    def _replace(self, entry: RecipeFile, recipe: Recipe) -> None:
        before = self._products[entry]
        if recipe.product != before:
            # Also where the line knows that product: it has a file of its own.
            raise ArtefactError(
                f"its product is '{recipe.product}' now and was '{before}'; put the file of "
                f"'{before}' back, or start the line anew to inspect other products"
            )
        self._recipes = {**self._recipes, (recipe.product, entry.camera): recipe}
        self._ids = _ids_of(self._recipes)
        logger.warning("recipe %s: read anew, product %s", entry.file, recipe.product)

    def _load(self, entry: RecipeFile, loaded: Recipe | None = None) -> Recipe:
        recipe = loaded or Recipe.load(entry.file)
        check_encoder(self._stages, recipe)
        return with_given_thresholds(
            recipe, self._stages.spec, score=entry.threshold, pixel=entry.pixel_threshold
        )


def _ids_of(recipes: Mapping[tuple[str, str], Recipe]) -> dict[str, str]:
    """Return each product's identity: that of all its recipes, thresholds included."""
    described: dict[str, list[object]] = {}
    for (product, camera), recipe in recipes.items():
        described.setdefault(product, []).append([camera, recipe.describe()])
    return {
        product: sha256_hex(canonical_json({"recipes": parts}).encode())[:16]
        for product, parts in described.items()
    }


def _state(path: Path) -> tuple[int, int, int] | None:
    """Return what changes when the file does, or None if it is not there."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns
