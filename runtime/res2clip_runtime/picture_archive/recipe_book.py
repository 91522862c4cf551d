"""The recipes of a run, by product."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from res2clip_runtime.errors import InputError
from res2clip_runtime.picture_archive.listing import ListedPicture
from res2clip_runtime.recipe import Recipe
from res2clip_runtime.storage import file_sha256

__all__ = ["RecipeBook"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeBook:
    """One recipe a product."""

    recipes: Mapping[str, Recipe] = field(repr=False)
    """Recipe by product."""
    sha256: Mapping[str, str]
    """Hash of each recipe's file, by product."""

    @classmethod
    def load(cls, paths: Sequence[Path]) -> RecipeBook:
        """Return the recipes in these files.

        Raises:
            InputError: two are of the same product.
            Res2ClipError: a file is missing, damaged or no recipe.
        """
        recipes: dict[str, Recipe] = {}
        sha256: dict[str, str] = {}
        for path in paths:
            recipe = Recipe.load(path)
            if recipe.product in recipes:
                raise InputError(
                    f"{path}: there is another recipe of '{recipe.product}' (--recipe); give one"
                )
            recipes[recipe.product] = recipe
            sha256[recipe.product] = file_sha256(path)
        return cls(recipes=recipes, sha256=sha256)

    def product_of(self, picture: ListedPicture) -> str:
        """Return the product to judge a picture by: the listed one, else the only one.

        Raises:
            InputError: there is no recipe of the listed product, or none is listed and there are
                several.
        """
        if picture.product is None and len(self.recipes) == 1:
            return next(iter(self.recipes))
        known = ", ".join(self.recipes)
        if picture.product is None:
            raise InputError(
                f"{picture.place}: no product is named and there are several recipes ({known}); "
                "give one --recipe, or a list with the column 'product'"
            )
        if picture.product not in self.recipes:
            raise InputError(
                f"{picture.place}: there is no recipe of product '{picture.product}' (given: "
                f"{known}); add it with --recipe FILE, or remove the row"
            )
        return picture.product
