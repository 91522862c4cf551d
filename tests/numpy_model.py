"""A small model in plain NumPy: the protocol of ``Stages`` with random features and real math.

It needs neither torch nor an engine, so that the runtime can be tested alone.
"""

from __future__ import annotations

import numpy as np

from res2clip_runtime.spec import MethodSpec
from res2clip_runtime.stages import BranchMaps, Features, grid_rho


class NumpyModel:
    """Features are random projections of a patch's pixels; everything after is method.md."""

    def __init__(self, *, seed: int = 0, size_px: int = 64, patch_px: int = 8, taps: int = 2):
        rng = np.random.default_rng(seed)
        width = 16
        self.spec = MethodSpec(
            image_size_px=size_px,
            patch_size_px=patch_px,
            embed_dim=width,
            taps=tuple(range(1, taps + 1)),
            vv_depth=taps,
            encoder_id=f"{seed:064x}",
            heads_id="0" * 64,
        )
        self._projections = rng.normal(size=(taps, patch_px * patch_px * 3, width))
        self._text = _unit(rng.normal(size=width)).astype(np.float32)
        self.closed = False

    def encode(self, images: np.ndarray) -> Features:
        batch = len(images)
        grid, patch = self.spec.grid, self.spec.patch_size_px
        tiles = images.reshape(batch, grid, patch, grid, patch, 3).transpose(0, 1, 3, 2, 4, 5)
        flat = tiles.reshape(batch, 1, grid * grid, -1) / 255 - 0.45
        patches = _unit(flat @ self._projections).astype(np.float32)
        return Features(patches=patches, image=_unit(patches[:, -1].mean(axis=1)))

    def match(self, patches: np.ndarray, bank: np.ndarray, bank_rho: np.ndarray) -> np.ndarray:
        penalty = self.spec.gamma * np.abs(grid_rho(self.spec.grid)[:, None] - bank_rho)
        weights = sparsemax(patches @ bank.transpose(0, 2, 1) - penalty)
        return (patches - _unit(weights @ bank)).astype(np.float32)

    def heads(
        self,
        last_patches: np.ndarray,
        residual: np.ndarray,
        image_feature: np.ndarray,
        bank_global_mean: np.ndarray,
    ) -> BranchMaps:
        grid = self.spec.grid
        text = last_patches @ self._text
        visual = np.linalg.norm(residual, axis=-1).mean(axis=1)
        towards = np.maximum(residual[:, -1] @ self._text, 0)
        maps = np.stack([text, visual, towards], axis=1).reshape(-1, 3, grid, grid)
        change = np.maximum((image_feature - bank_global_mean) @ self._text, 0)
        scores = np.stack([image_feature @ self._text, change], axis=1)
        return BranchMaps(maps=maps.astype(np.float32), scores=scores.astype(np.float32))

    def close(self) -> None:
        self.closed = True


def sparsemax(values: np.ndarray) -> np.ndarray:
    """Return the sparsemax along the last axis, by sorting (Martins & Astudillo 2016)."""
    ordered = -np.sort(-values, axis=-1)
    total = np.cumsum(ordered, axis=-1) - 1
    count = np.arange(1, values.shape[-1] + 1)
    support = (ordered > total / count).sum(axis=-1, keepdims=True)
    tau = np.take_along_axis(total, support - 1, axis=-1) / support
    return np.maximum(values - tau, 0)


def _unit(values: np.ndarray) -> np.ndarray:
    return values / np.maximum(np.linalg.norm(values, axis=-1, keepdims=True), 1e-12)
