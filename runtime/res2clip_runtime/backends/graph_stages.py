"""The stages of a bundle on any engine that runs graphs with named inputs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from res2clip_runtime.errors import BackendError
from res2clip_runtime.preprocess import PictureU8
from res2clip_runtime.spec import MethodSpec
from res2clip_runtime.stages import BranchMaps, Features, FloatArray

__all__ = ["GraphStages"]


class GraphStages(ABC):
    """Encoder, match and heads as three graphs; an engine adds how one of them is run."""

    def __init__(self, spec: MethodSpec) -> None:
        """Keep the method's constants of the bundle."""
        self._spec = spec

    @property
    def spec(self) -> MethodSpec:
        """The method's constants of the bundle."""
        return self._spec

    def encode(self, images: PictureU8) -> Features:
        """Return the features of (B, S, S, 3) uint8 RGB pictures."""
        spec, count = self._spec, len(images)
        patches, image = self._run(
            "encoder",
            (count, len(spec.taps), spec.patches, spec.embed_dim),
            (count, spec.embed_dim),
            image_u8=images,
        )
        return Features(patches=patches, image=image)

    def match(self, patches: FloatArray, bank: FloatArray, bank_rho: FloatArray) -> FloatArray:
        """Return (B, T, P, D) residuals of (B, T, P, D) patches against a (T, N, D) bank."""
        (residual,) = self._run(
            "match", patches.shape, patches=patches, bank=bank, bank_rho=bank_rho
        )
        return residual

    def heads(
        self,
        last_patches: FloatArray,
        residual: FloatArray,
        image_feature: FloatArray,
        bank_global_mean: FloatArray,
    ) -> BranchMaps:
        """Return the branch maps of (B, P, D) last-tap patches, residuals, (B, D) and (D,)."""
        maps, scores = self._run(
            "heads",
            (len(residual), 3, self._spec.grid, self._spec.grid),
            (len(residual), 2),
            last_patches=last_patches,
            residual=residual,
            image_feature=image_feature,
            bank_global_mean=bank_global_mean,
        )
        return BranchMaps(maps=maps, scores=scores)

    @abstractmethod
    def run_graph(
        self, stage: str, inputs: Mapping[str, npt.NDArray[np.generic]]
    ) -> Sequence[FloatArray]:
        """Return the stage's outputs, in its order, for contiguous inputs by name.

        Raises:
            BackendError: the engine failed, or is closed.
        """

    @abstractmethod
    def close(self) -> None:
        """Free the engine; the stages cannot be used afterwards."""

    def _run(
        self, stage: str, *shapes: tuple[int, ...], **inputs: npt.NDArray[np.generic]
    ) -> Sequence[FloatArray]:
        contiguous = {name: np.ascontiguousarray(value) for name, value in inputs.items()}
        outputs = self.run_graph(stage, contiguous)
        got = tuple(getattr(output, "shape", None) for output in outputs)
        if got != shapes:
            raise BackendError(
                f"stage '{stage}' answered with the shapes {got}, expected {shapes}; its graph "
                "does not belong to this bundle, export it again"
            )
        return outputs
