"""The recipes of a line, all in memory, so that choosing another takes no time."""

from __future__ import annotations

import dataclasses
import logging
import math
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from res2clip_runtime.errors import ArtefactError, InputError, Res2ClipError
from res2clip_runtime.file_version import FileVersion
from res2clip_runtime.recipe import Recipe, Threshold, default_recipe_path, history_entry
from res2clip_runtime.service.recipe_file import ListedRecipe, RecipeFile
from res2clip_runtime.spec import canonical_json, sha256_hex
from res2clip_runtime.stages import Stages
from res2clip_runtime.teaching import check_encoder
from res2clip_runtime.threshold_choice import threshold_doubts, with_given_thresholds

__all__ = ["RecipeBook"]

logger = logging.getLogger(__name__)


class RecipeBook:
    """Recipes by product and camera, the chosen product, and changed files read anew.

    Read and changed from any thread; a recipe is replaced whole, so an inspection never sees half
    of one.
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
            files: a product may have one for each camera. None at all: nothing can be
                inspected before :meth:`add`.
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
        self._lock = threading.RLock()  # held by whoever changes files or recipes
        # The versions are taken before the contents: what changes in between is read again.
        self._versions = {entry.file: FileVersion.at(entry.file) for entry in files}
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
        self._product = self.products[0] if len(self.products) == 1 else ""
        if product is not None:
            self.choose(product)

    @property
    def products(self) -> tuple[str, ...]:
        """Those that can be chosen, in the order of the files."""
        return tuple(dict.fromkeys(product for product, _ in self._recipes))

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
        self._check_known(product)
        if product != self._product:
            logger.info("product %s is chosen", product)
        self._product = product

    def find(self, product: str, camera: str) -> Recipe | None:
        """Return the recipe of a product for a camera, or None if there is none."""
        recipes = self._recipes
        return recipes.get((product, camera)) or recipes.get((product, ""))

    def listed(self) -> Iterator[ListedRecipe]:
        """Yield every recipe, in the order of the files."""
        score_id = self._stages.spec.score_id
        with self._lock:
            known = [(e, self._recipes[self._products[e], e.camera]) for e in self._files]
        for entry, recipe in known:
            yield ListedRecipe(
                entry=entry, recipe=recipe, threshold=recipe.thresholds.get(score_id)
            )

    def add(self, recipe: Recipe, *, folder: Path, replace: bool = False) -> Path:
        """Save a recipe that was just taught, and let its product be chosen; return its file.

        A product that is known keeps its file, and what the configuration says of it.

        Args:
            recipe: taught with this model.
            folder: where a new product's file goes.
            replace: whether a product that is known may be replaced.

        Raises:
            InputError: the product is known and may not be replaced, or has several files.
            EncoderMismatchError: the recipe belongs to another encoder.
            OutputError: it cannot be saved; nothing has changed.
        """
        check_encoder(self._stages, recipe)
        with self._lock:
            known = [entry for entry, name in self._products.items() if name == recipe.product]
            if known and not replace:
                raise InputError(
                    f"there is a recipe of '{recipe.product}' already ({known[0].file}); give the "
                    "product another name, or say that it is to be replaced"
                )
            if len(known) > 1:
                raise InputError(
                    f"'{recipe.product}' has a recipe for each of several cameras; teach them "
                    "with: res2clip-run teach --force --out FILE"
                )
            entry = known[0] if known else RecipeFile(file=self._free_file(recipe, folder))
            recipe.save(entry.file)
            self._files = tuple(dict.fromkeys((*self._files, entry)))
            self._products = {**self._products, entry: recipe.product}
            self._use(entry, recipe)
        logger.info("recipe %s: taught, product %s", entry.file, recipe.product)
        return entry.file

    def set_threshold(
        self, product: str, score: float, *, by: str, camera: str = ""
    ) -> float | None:
        """Save another threshold of a product, use it at once, and return the one before.

        Args:
            product: whose.
            score: highest image score that is OK, in the scores' own unit.
            by: who wants it; kept in the recipe's history.
            camera: of the recipe, where the product has one for each camera.

        Raises:
            InputError: the score is not finite, there is no such recipe, or the configuration
                gives its threshold.
            OutputError: it cannot be saved; nothing has changed.
            ArtefactError, ArtefactNotFoundError: the file is not there any more, or damaged.
        """
        if not math.isfinite(score):
            raise InputError(f"the threshold is {score}; give a finite number")
        with self._lock:
            self._check_known(product)
            entry = self._entry(product, camera)
            if entry.threshold is not None:
                raise InputError(
                    f"the configuration gives the threshold of '{product}' ({entry.threshold:g}); "
                    "change it there, or take it out"
                )
            score_id = self._stages.spec.score_id
            recipe = Recipe.load(entry.file)  # without what the configuration gives
            if recipe.product != product:
                raise ArtefactError(f"{entry.file} is of '{recipe.product}' now; restore its file")
            own = recipe.thresholds.get(score_id)
            before = own.score if own else None
            old = "none" if before is None else f"{before:.6g}"
            given = Threshold(score=score, pixel=own.pixel if own else None, source="given")
            recipe = dataclasses.replace(
                recipe.with_threshold(score_id, given),
                history=(
                    *recipe.history,
                    history_entry(f"threshold {old} -> {score:.6g} by {by}"),
                ),
            )
            recipe.save(entry.file)
            self._use(entry, recipe)
        logger.warning("product %s: threshold %s -> %.6g by %s", product, old, score, by)
        return before

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
        with self._lock:
            versions = {file: FileVersion.at(file) for file in self._versions}
            changed = {file for file, now in versions.items() if now != self._versions[file]}
            self._versions = versions
            for entry in self._files:
                if entry.file not in changed:
                    continue
                try:
                    self._replace(entry, self._load(entry))
                except Res2ClipError as err:
                    logger.error(
                        "recipe %s: the one loaded before stays in use: %s", entry.file, err
                    )

    def _replace(self, entry: RecipeFile, recipe: Recipe) -> None:
        before = self._products[entry]
        if recipe.product != before:
            # Also where the line knows that product: it has a file of its own.
            raise ArtefactError(
                f"its product is '{recipe.product}' now and was '{before}'; put the file of "
                f"'{before}' back, or start the line anew to inspect other products"
            )
        self._put(entry, recipe)
        logger.warning("recipe %s: read anew, product %s", entry.file, recipe.product)

    def _use(self, entry: RecipeFile, saved: Recipe) -> None:
        """Inspect with a recipe that was just saved in the file of ``entry``."""
        self._versions = {**self._versions, entry.file: FileVersion.at(entry.file)}
        for other in self._files:
            if other.file == entry.file:  # several cameras may share a file
                self._put(other, self._load(other, saved))

    def _put(self, entry: RecipeFile, recipe: Recipe) -> None:
        self._recipes = {**self._recipes, (recipe.product, entry.camera): recipe}
        self._ids = _ids_of(self._recipes)

    def _check_known(self, product: str) -> None:
        if product not in self.products:
            there = f"there are: {', '.join(self.products)}" if self.products else "there is none"
            raise InputError(f"there is no recipe of the product '{product}'; {there}")

    def _entry(self, product: str, camera: str) -> RecipeFile:
        entries = [entry for entry, name in self._products.items() if name == product]
        if len(entries) == 1:
            return entries[0]
        for entry in entries:
            if entry.camera == camera:
                return entry
        cameras = ", ".join(entry.camera or "(every other)" for entry in entries)
        raise InputError(f"'{product}' has a recipe for each of these cameras: {cameras}; name one")

    def _free_file(self, recipe: Recipe, folder: Path) -> Path:
        """Return a file for a new product: two names may look alike as file names."""
        file = folder / default_recipe_path(recipe.product)
        if file.exists() or file in self._versions:
            digest = sha256_hex(recipe.product.encode())[:8]
            file = file.with_name(file.name.replace(".recipe", f"-{digest}.recipe"))
        return file

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
