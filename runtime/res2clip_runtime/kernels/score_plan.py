"""The launches of the score stage, and its tables (``csrc/score.cuh``)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from res2clip_runtime.kernels.launch import Buffer, Launch, ceil_divide, null
from res2clip_runtime.score import bilinear_matrix, gaussian_matrix
from res2clip_runtime.spec import MethodSpec

__all__ = ["Peak", "ScoreBuffers", "ScoreSize", "image_score", "read_peak", "score_launches"]

FloatArray: TypeAlias = npt.NDArray[np.float32]
IntArray: TypeAlias = npt.NDArray[np.int32]

TOP_THREADS = 512
MAP_THREADS = 256
_SHAPE = np.dtype(
    [
        *((name, np.int32) for name in ("grid", "size", "band", "map_band")),
        ("text_weight", np.float32),
        ("residual_weight", np.float32),
    ]
)


@dataclass(frozen=True, slots=True)
class Peak:
    """The highest pixel of an anomaly map inside the region of interest."""

    value: float
    """NaN if the map holds one there."""
    row: int
    """From the top, in pixels of the map."""
    column: int
    """From the left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreSize:
    """How many maps are scored, and how."""

    batch: int
    """B: pictures."""
    spec: MethodSpec
    """Grid, size of the picture, fusion weights."""

    @property
    def buffer_bytes(self) -> dict[str, int]:
        """Return the sizes of maps, tops, anomaly_map and peak of :class:`ScoreBuffers`."""
        return {
            "maps": self.batch * 3 * self.spec.patches * 4,
            "tops": self.batch * 3 * 4,
            "anomaly_map": self.batch * self.spec.image_size_px**2 * 4,
            "peak": self.batch * 8,
        }

    def tables(self) -> dict[str, FloatArray | IntArray]:
        """Return first and weights of the branches' upsampling, and of the map's."""
        size = self.spec.image_size_px
        gaussian = gaussian_matrix(size)
        once = gaussian @ bilinear_matrix(self.spec.grid, size)
        first, weights = _bands(once)
        map_first, map_weights = _bands(gaussian @ once)
        return {
            "first": first,
            "weights": weights,
            "map_first": map_first,
            "map_weights": map_weights,
        }

    def structure(self, band: int, map_band: int) -> np.void:
        """Return ``ScoreShape`` of score.cuh, to pass by value."""
        spec = self.spec
        sizes = (spec.grid, spec.image_size_px, band, map_band)
        values = [(*sizes, spec.text_weight, spec.residual_weight)]
        return np.array(values, dtype=_SHAPE)[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreBuffers:
    """Memory of the score stage; tables from :meth:`ScoreSize.tables`."""

    maps: Buffer
    """(B, 3, G, G) float32 of the heads: in."""
    first: Buffer
    """(S,) int32: in."""
    weights: Buffer
    """(S, band) float32: in."""
    map_first: Buffer
    """(S,) int32: in."""
    map_weights: Buffer
    """(S, map_band) float32: in."""
    mask: Buffer | None
    """(S, S) uint8, 0 where a pixel does not count: in; None: all count."""
    tops: Buffer
    """(B, 3) float32, mean of the highest 1 % of text, visual, residual: out."""
    anomaly_map: Buffer
    """(B, S, S) float32: out."""
    peak: Buffer
    """(B,) uint64, for :func:`read_peak`: out."""


def score_launches(
    size: ScoreSize, buffers: ScoreBuffers, *, band: int, map_band: int
) -> tuple[Launch, ...]:
    """Return the launches from branch maps to anomaly map, tops and peak."""
    shape = size.structure(band, map_band)
    mask = null() if buffers.mask is None else buffers.mask
    top = (buffers.first, buffers.weights, mask, buffers.tops, buffers.peak, shape)
    whole = (buffers.map_first, buffers.map_weights, mask, buffers.anomaly_map, buffers.peak, shape)
    blocks = ceil_divide(size.spec.image_size_px**2, MAP_THREADS)
    return (
        Launch("score_top", (3, size.batch, 1), TOP_THREADS, (buffers.maps, *top)),
        Launch("score_map", (blocks, size.batch, 1), MAP_THREADS, (buffers.maps, *whole)),
    )


def image_score(tops: FloatArray, scores: FloatArray, spec: MethodSpec) -> float:
    """Return s of method.md, section 7, of one picture's (3,) tops and (2,) scores."""
    text, visual, residual = (float(top) for top in tops)
    return (
        (text + float(scores[0])) / 2
        + visual
        + spec.residual_weight * (residual + float(scores[1])) / 2
    )


def read_peak(packed: int, size_px: int) -> Peak:
    """Return the peak that score_map left as key and inverted pixel number."""
    key, inverted = divmod(int(packed), 1 << 32)
    bits = key & 0x7FFFFFFF if key & 0x80000000 else ~key & 0xFFFFFFFF
    value = float(np.array([bits], dtype=np.uint32).view(np.float32)[0])
    row, column = divmod(0xFFFFFFFF - inverted, size_px)
    return Peak(value, row, column)


def _bands(matrix: npt.NDArray[np.float64]) -> tuple[IntArray, FloatArray]:
    """Return the first column (S,) and the (S, band) weights that hold all non-zeros of (S, G)."""
    columns = matrix.shape[1]
    used = matrix != 0
    first = used.argmax(axis=1)
    beyond = columns - used[:, ::-1].argmax(axis=1)
    band = int((beyond - first).max())
    first = np.minimum(first, columns - band)
    weights = np.take_along_axis(matrix, first[:, None] + np.arange(band), axis=1)
    return first.astype(np.int32), weights.astype(np.float32)
