"""The score stage: patch maps -> anomaly map and image score (method.md, sections 6 and 7).

Upsampling and Gaussian are linear and separable, so each is one (S, G) matrix applied from both
sides; the Gaussian after fusion commutes with the weighted sum and is folded in as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from res2clip_runtime.cpu.blas_threads import one_blas_thread
from res2clip_runtime.spec import MethodSpec

__all__ = ["Scored", "bilinear_matrix", "gaussian_matrix", "score", "top_mean"]

FloatArray: TypeAlias = npt.NDArray[np.float32]

GAUSSIAN_SIZE = 5
GAUSSIAN_SIGMA = 4.0
TOP_FRACTION = 0.01
SAMPLED_EVERY = 15
"""``top_mean`` looks at every 15th pixel first ..."""
SAMPLED_FRACTION = 0.02
"""... and then only at those as high as the highest 2 % of these."""


@dataclass(frozen=True, slots=True)
class Scored:
    """What the score stage says about one picture."""

    image_score: float
    """s of method.md section 7; NaN when an input was not finite."""
    anomaly_map: FloatArray
    """M of section 6: (S, S) float32."""


def score(maps: FloatArray, scores: FloatArray, spec: MethodSpec) -> Scored:
    """Return the anomaly map and image score of one picture.

    Args:
        maps: (3, G, G) float32: text, visual and residual map, averaged over their taps.
        scores: (2,) float32: <g, T> and relu(<B_g(g - g_ref), T_res>).
        spec: image size and fusion weights.
    """
    smooth, smooth_twice = _upsampling(spec.grid, spec.image_size_px)
    fused = spec.text_weight * maps[0] + maps[1] + spec.residual_weight * maps[2]
    # Products this small gain nothing from threads, which would take cores from the next encoder.
    with one_blas_thread():
        branches = smooth @ maps @ smooth.T  # (3, S, S)
        anomaly_map = smooth_twice @ fused @ smooth_twice.T
    text, visual, residual = (top_mean(branch) for branch in branches)
    image_score = (
        (text + float(scores[0])) / 2
        + visual
        + spec.residual_weight * (residual + float(scores[1])) / 2
    )
    return Scored(image_score, np.ascontiguousarray(anomaly_map, dtype=np.float32))


def top_mean(pixels: FloatArray) -> float:
    """Return the mean of the highest 1 % (rounded down, at least one) of all (H, W) ``pixels``.

    A sample of the pixels gives a limit that a few more than 1 % should reach; only those are
    partitioned.  If they are too few after all, all pixels are.  NaN counts as the highest.
    """
    count = max(1, int(pixels.size * TOP_FRACTION))
    sample = pixels.ravel()[::SAMPLED_EVERY]
    rank = max(0, len(sample) - 1 - int(len(sample) * SAMPLED_FRACTION))
    limit = np.partition(sample, rank)[rank]
    high = pixels[~(pixels < limit)]
    if len(high) < count:
        high = pixels.ravel()
    top = np.partition(high, len(high) - count)[-count:]
    return float(top.mean(dtype=np.float64))


def bilinear_matrix(source: int, target: int) -> npt.NDArray[np.float64]:
    """Return (target, source): linear interpolation, half-pixel centres, clamped at the edge."""
    position = np.clip((np.arange(target) + 0.5) * source / target - 0.5, 0, source - 1)
    left = np.minimum(position.astype(np.int64), max(source - 2, 0))
    weight = position - left
    matrix = np.zeros((target, source))
    rows = np.arange(target)
    matrix[rows, left] = 1 - weight
    matrix[rows, np.minimum(left + 1, source - 1)] += weight
    return matrix


def gaussian_matrix(size: int) -> npt.NDArray[np.float64]:
    """Return (size, size): the 5-tap, sigma-4 Gaussian along one axis, zeros beyond the edge."""
    radius = GAUSSIAN_SIZE // 2
    offsets = np.arange(-radius, radius + 1)
    kernel = np.exp(-0.5 * (offsets / GAUSSIAN_SIGMA) ** 2)
    kernel /= kernel.sum()
    return np.asarray(sum(w * np.eye(size, k=int(o)) for o, w in zip(offsets, kernel, strict=True)))


@lru_cache(maxsize=8)
def _upsampling(grid: int, size_px: int) -> tuple[FloatArray, FloatArray]:
    """Return (S, G) matrices: upsampling then one Gaussian, and then two."""
    gaussian = gaussian_matrix(size_px)
    once = gaussian @ bilinear_matrix(grid, size_px)
    return once.astype(np.float32), (gaussian @ once).astype(np.float32)
