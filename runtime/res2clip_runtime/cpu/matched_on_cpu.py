"""An engine's stages, with the match stage in NumPy."""

from __future__ import annotations

from res2clip_runtime.cpu.matcher import CpuMatcher
from res2clip_runtime.preprocess import PictureU8
from res2clip_runtime.spec import MethodSpec
from res2clip_runtime.stages import BranchMaps, ClosableStages, Features, FloatArray

__all__ = ["MatchedOnCpu", "gains_from_cpu_match"]


def gains_from_cpu_match(spec: MethodSpec) -> bool:
    """Return whether a bundle's match stage is faster in NumPy than in an engine on the same CPU.

    It is for the strategy that bundles have, at every number of shots (``docs/performance.md``).
    The arithmetic is fp32, as match is in a bundle of any precision, so scores keep their scale
    (``MethodSpec.score_id``).
    """
    return spec.match == "sparse_radial_knn"


class MatchedOnCpu:
    """Encoder and heads of ``stages``, which it owns, and residuals by :class:`CpuMatcher`."""

    def __init__(self, stages: ClosableStages, *, threads: int | None = None) -> None:
        """Take over ``stages``; match on ``threads`` threads, by default one for each core."""
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
