"""A bundle on an engine, ready to teach and to inspect."""

from __future__ import annotations

from collections.abc import Sequence

from res2clip_runtime.backends import EngineOptions, open_stages
from res2clip_runtime.bundle import Bundle
from res2clip_runtime.closable import Closable
from res2clip_runtime.inspection import inspect
from res2clip_runtime.preprocess import ImageLike
from res2clip_runtime.recipe import Recipe
from res2clip_runtime.spec import MethodSpec
from res2clip_runtime.teaching import teach
from res2clip_runtime.verdict import Verdict

__all__ = ["Inspector"]


class Inspector(Closable):
    """Inspects pictures with an exported model; owns the engine, so close it or use ``with``."""

    def __init__(
        self,
        bundle: Bundle,
        *,
        backend: str = "onnxruntime",
        threads: int | None = None,
        options: EngineOptions | None = None,
    ) -> None:
        """Open ``bundle`` on the engine called ``backend``.

        Raises:
            InputError: there is no engine of this name.
            MissingExtraError: the engine is not installed.
            BackendError: the engine or device refused.
        """
        self.bundle = bundle
        self.stages = open_stages(bundle, backend, threads=threads, options=options)

    @property
    def spec(self) -> MethodSpec:
        """The method's constants of the bundle."""
        return self.stages.spec

    def teach(self, images: Sequence[ImageLike], *, product: str) -> Recipe:
        """Return a recipe taught with good pictures; see :func:`res2clip_runtime.teaching.teach`.

        Raises:
            InputError: a picture cannot be used, or is there twice.
        """
        return teach(self.stages, images, product=product).recipe

    def inspect(self, image: ImageLike, recipe: Recipe) -> Verdict:
        """Return the verdict on one picture.

        Raises:
            EncoderMismatchError: the recipe belongs to another encoder.
            InputError: the picture cannot be used.
        """
        return inspect(self.stages, image, recipe)

    def close(self) -> None:
        """Free the engine."""
        self.stages.close()
