"""What a model is to the runtime: three stages with named arrays in and out.

The fourth stage, score, is the same NumPy code for every model (``score.py``).  PyTorch
(``res2clip.model``) and ONNX Runtime (``backends``) both provide this protocol, so that teaching
and inspecting exist once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from res2clip_runtime.preprocess import PictureU8
from res2clip_runtime.spec import MethodSpec

__all__ = ["BranchMaps", "Features", "FloatArray", "Stages", "grid_rho", "mean_direction"]

FloatArray: TypeAlias = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Features:
    """Encoder stage: unit-length features of a batch of pictures."""

    patches: FloatArray
    """(B, T, P, D) float32, tap by tap."""
    image: FloatArray
    """(B, D) float32, the global feature g."""


@dataclass(frozen=True, slots=True)
class BranchMaps:
    """Heads stage: what the three branches say."""

    maps: FloatArray
    """(B, 3, G, G) float32: text, visual, residual; each averaged over its taps."""
    scores: FloatArray
    """(B, 2) float32: <g, T> and relu(<B_g(g - g_ref), T_res>)."""


class Stages(Protocol):
    """Encoder, match and heads of one model on one engine."""

    @property
    def spec(self) -> MethodSpec:
        """The method's constants this model was built with."""

    def encode(self, images: PictureU8) -> Features:
        """Return the features of (B, S, S, 3) uint8 RGB pictures."""

    def match(self, patches: FloatArray, bank: FloatArray, bank_rho: FloatArray) -> FloatArray:
        """Return (B, T, P, D) residuals of (B, T, P, D) patches against a (T, N, D) bank.

        ``bank_rho`` (N,) is every reference patch's distance from its grid's centre, in patches.
        """

    def heads(
        self,
        last_patches: FloatArray,
        residual: FloatArray,
        image_feature: FloatArray,
        bank_global_mean: FloatArray,
    ) -> BranchMaps:
        """Return the branch maps of (B, P, D) last-tap patches, residuals, (B, D) and (D,)."""


def grid_rho(grid: int) -> FloatArray:
    """Return (G*G,): distance of every patch from the grid's centre, in patches (section 4)."""
    offset = np.arange(grid) - (grid - 1) / 2
    return np.hypot(offset[:, None], offset[None, :]).reshape(-1).astype(np.float32)


def mean_direction(features: FloatArray) -> FloatArray:
    """Return g_ref: the (D,) normalised mean of (k, D) global features (section 7)."""
    mean = features.mean(axis=0)
    return (mean / max(float(np.linalg.norm(mean)), 1e-12)).astype(np.float32)
