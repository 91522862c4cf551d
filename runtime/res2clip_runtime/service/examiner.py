"""Frames to verdicts, with an eye on whether the model still answers."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence

from res2clip_runtime.errors import Res2ClipError
from res2clip_runtime.frame_inspection import InspectedFrame, inspect_frame
from res2clip_runtime.inspection import error_verdict
from res2clip_runtime.service.figures import Figures
from res2clip_runtime.service.recipe_book import RecipeBook
from res2clip_runtime.sources import Frame
from res2clip_runtime.stages import Stages

__all__ = ["Examiner", "no_product"]

logger = logging.getLogger(__name__)

FAULT_LIMIT = 3
"""So many faults of the model in a row, and the line is not ready."""


class Examiner:
    """Inspects on the inspection's thread; whatever breaks is an ERROR verdict."""

    def __init__(self, stages: Stages, recipes: RecipeBook, figures: Figures) -> None:
        """Inspect with the model ``stages`` and the recipes of the book."""
        self._stages = stages
        self._recipes = recipes
        self._figures = figures
        self._faults = 0
        self._fault = ""
        self._sizes_px: dict[str, tuple[int, int]] = {}

    @property
    def fault(self) -> str:
        """Why the model cannot be relied on; empty while it answers."""
        return self._fault

    def expect_size(self, camera: str, size_px: tuple[int, int]) -> None:
        """Answer ERROR for pictures of ``camera`` that have another width and height."""
        self._sizes_px[camera] = size_px

    def examine(
        self, camera: str, frame: Frame, product: str, *, fixed_size: bool
    ) -> InspectedFrame:
        """Return the verdict on one frame.

        Args:
            camera: where it comes from.
            frame: the picture.
            product: what to inspect it as.
            fixed_size: whether all pictures of the camera must have the size of its first.
        """
        if (wrong := self._wrong_size(camera, frame, fixed=fixed_size)) is not None:
            return _refused(camera, frame, product, wrong)
        recipe = self._recipes.find(product, camera)
        if recipe is None:
            return _refused(camera, frame, product, _no_recipe(product, camera, self._recipes))
        done = inspect_frame(self._stages, recipe, frame)
        verdict = dataclasses.replace(done.verdict, camera=camera)
        self._figures.add_picture(verdict)
        self._note(done, camera)
        return dataclasses.replace(done, verdict=verdict)

    def _wrong_size(self, camera: str, frame: Frame, *, fixed: bool) -> str | None:
        shape = getattr(frame.image, "shape", None)
        if not fixed or shape is None or len(shape) != 3:
            return None
        size_px = (int(shape[1]), int(shape[0]))
        expected = self._sizes_px.setdefault(camera, size_px)
        if size_px == expected:
            return None
        return (
            f"camera {camera} gave {size_px[0]} x {size_px[1]} px, expected {expected[0]} x "
            f"{expected[1]}; set it back, or start the line anew if the change is meant"
        )

    def _note(self, done: InspectedFrame, camera: str) -> None:
        if not done.model_fault:
            if self._fault:
                logger.warning("the model answers again")
            self._faults, self._fault = 0, ""
            return
        self._faults += 1
        logger.error("camera %s: the model failed: %s", camera, done.verdict.reason)
        if self._faults >= FAULT_LIMIT:
            if not self._fault:
                logger.critical("the model failed %d times in a row; not ready", self._faults)
            self._fault = f"the model failed {self._faults} times in a row: {done.verdict.reason}"


def no_product(products: Sequence[str]) -> str:
    """Return what is wrong, and what to do, where nothing can be inspected yet."""
    if not products:
        return "nothing has been taught yet; teach a product from its good parts"
    return f"no product is chosen; there are: {', '.join(products)}"


def _refused(camera: str, frame: Frame, product: str, reason: str) -> InspectedFrame:
    try:
        picture = frame.picture()  # whoever teaches, or mends the camera, wants to see it
    except (Res2ClipError, MemoryError):
        picture = None
    verdict = error_verdict(frame.frame_id, product, reason)
    verdict = dataclasses.replace(verdict, camera=camera, captured_at=frame.captured_at)
    return InspectedFrame(verdict=verdict, picture=picture, model_fault=False)


def _no_recipe(product: str, camera: str, recipes: RecipeBook) -> str:
    if not product:
        return no_product(recipes.products)
    return (
        f"the product '{product}' has no recipe for camera {camera}; add one to the configuration"
    )
