"""A score stage on the host shim, beside the runtime's NumPy one."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from numpy_model import NumpyModel

from gpu.host_kernels import HostKernels
from res2clip_runtime.kernels.score_plan import (
    Peak,
    ScoreBuffers,
    ScoreSize,
    image_score,
    read_peak,
    score_launches,
)
from res2clip_runtime.score import score
from res2clip_runtime.spec import MethodSpec

__all__ = ["HostScored", "check_score", "drawn_maps", "score_on_host", "spec_of"]


@dataclass
class HostScored:
    tops: np.ndarray
    anomaly_map: np.ndarray
    peaks: list[Peak]


def spec_of(grid: int, patch: int, **more: object) -> MethodSpec:
    changes = {"image_size_px": grid * patch, "patch_size_px": patch, **more}
    return dataclasses.replace(NumpyModel().spec, **changes)


def drawn_maps(batch: int, grid: int, *, seed: int = 0) -> np.ndarray:
    """Return (B, 3, G, G) float32 with negative, zero and equal values among them."""
    maps = np.random.default_rng(seed).normal(size=(batch, 3, grid, grid)).astype(np.float32)
    maps[:, 2] = np.maximum(maps[:, 2], 0)
    return maps


def score_on_host(
    kernels: HostKernels, spec: MethodSpec, maps: np.ndarray, mask: np.ndarray | None = None
) -> HostScored:
    size = ScoreSize(batch=len(maps), spec=spec)
    memory = {name: np.full(n, 0xA5, np.uint8) for name, n in size.buffer_bytes.items()}
    memory["maps"] = np.ascontiguousarray(maps)
    tables = size.tables()
    bands = {"band": tables["weights"].shape[1], "map_band": tables["map_weights"].shape[1]}
    buffers = ScoreBuffers(**memory, **tables, mask=mask)
    kernels.run(score_launches(size, buffers, **bands))
    side = spec.image_size_px
    return HostScored(
        tops=memory["tops"].view(np.float32).reshape(-1, 3),
        anomaly_map=memory["anomaly_map"].view(np.float32).reshape(-1, side, side),
        peaks=[read_peak(packed, side) for packed in memory["peak"].view(np.uint64)],
    )


def check_score(kernels: HostKernels) -> None:
    """Assert on small hard cases that the kernels equal NumPy; mutants fail here."""
    for grid, patch in ((5, 14), (7, 3)):
        spec, maps = spec_of(grid, patch), drawn_maps(2, grid)
        scored = score_on_host(kernels, spec, maps)
        for i, scores in enumerate(np.zeros((2, 2), dtype=np.float32)):
            expected = score(maps[i], scores, spec)
            made = scored.anomaly_map[i]
            np.testing.assert_allclose(made, expected.anomaly_map, rtol=0, atol=2e-6)
            total = image_score(scored.tops[i], scores, spec)
            assert abs(total - expected.image_score) < 2e-6
            peak = scored.peaks[i]
            assert peak.value == made.max()
            assert peak.row * spec.image_size_px + peak.column == made.argmax()
