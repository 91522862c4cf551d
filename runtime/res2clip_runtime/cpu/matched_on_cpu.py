"""An engine's stages, with the match stage in NumPy where that is faster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from res2clip_runtime.cpu.matcher import CpuMatcher
from res2clip_runtime.preprocess import PictureU8
from res2clip_runtime.spec import MethodSpec
from res2clip_runtime.stages import BranchMaps, Features, FloatArray

if TYPE_CHECKING:
    from res2clip_runtime.backends import BackendStages

__all__ = ["FEWEST_REFERENCES", "MatchedOnCpu"]


FEWEST_REFERENCES = 512
"""From so many references on NumPy's blocks are faster than a graph; below, both take some ms.

Measured beside ONNX Runtime and OpenVINO, see ``docs/performance.md``.
"""


class MatchedOnCpu:
    """The stages of an engine on the CPU, which it owns, and residuals by :class:`CpuMatcher`.

    Both match in fp32, as match is in a bundle of any precision, so scores keep their scale
    (``MethodSpec.score_id``).
    """

    def __init__(self, stages: BackendStages, *, threads: int | None = None) -> None:
        """Take over ``stages``; match on ``threads`` threads, by default one for each core.

        The matching strategy must be ``sparse_radial_knn``, the one that bundles have.
        """
        self._stages = stages
        self._matcher = CpuMatcher(stages.spec.grid, stages.spec.gamma, threads=threads)

    @property
    def spec(self) -> MethodSpec:
        """The method's constants of the engine's stages."""
        return self._stages.spec

    def encode(self, images: PictureU8) -> Features:
        """Return the features of (B, S, S, 3) uint8 RGB pictures."""
        return self._stages.encode(images)

    def match(self, patches: FloatArray, bank: FloatArray, bank_rho: FloatArray) -> FloatArray:
        """Return (B, T, P, D) residuals of (B, T, P, D) patches against a (T, N, D) bank."""
        if len(bank_rho) < FEWEST_REFERENCES:
            return self._stages.match(patches, bank, bank_rho)
        return self._matcher.match(patches, bank, bank_rho)

    def heads(
        self,
        last_patches: FloatArray,
        residual: FloatArray,
        image_feature: FloatArray,
        bank_global_mean: FloatArray,
    ) -> BranchMaps:
        """Return the branch maps of (B, P, D) last-tap patches, residuals, (B, D) and (D,)."""
        return self._stages.heads(last_patches, residual, image_feature, bank_global_mean)

    def close(self) -> None:
        """Free the engine and the threads."""
        self._matcher.close()
        self._stages.close()
