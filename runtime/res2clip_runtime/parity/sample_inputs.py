"""Inputs of match and heads, made from the few patches that the samples keep."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from res2clip_runtime.spec import MethodSpec
from res2clip_runtime.stages import FloatArray, grid_rho

__all__ = ["KEPT_PATCHES", "as_in_a_file", "kept_positions", "scattered", "small_bank"]

KEPT_PATCHES = 32
"""Patches of a picture whose features the samples keep: 1.2 MB at ViT-L's sizes."""


def kept_positions(spec: MethodSpec) -> npt.NDArray[np.int64]:
    """Return (K,) evenly spread patches, K = 32 or all of a smaller grid."""
    count = min(KEPT_PATCHES, spec.patches)
    return np.linspace(0, spec.patches - 1, count).astype(np.int64)


def as_in_a_file(bank: FloatArray) -> FloatArray:
    """Return a bank rounded as a recipe's file does; kernels keep it so on the device, too."""
    return bank.astype(np.float16).astype(np.float32)


def small_bank(
    patches: FloatArray, positions: npt.NDArray[np.int64], grid: int
) -> tuple[FloatArray, FloatArray]:
    """Return a bank (T, k*K, D) and its rho (k*K,) from k pictures' (k, T, K, D) kept patches."""
    bank = as_in_a_file(np.concatenate(list(patches), axis=1))
    return bank, np.tile(grid_rho(grid)[positions], len(patches))


def scattered(rows: FloatArray, positions: npt.NDArray[np.int64], patches: int) -> FloatArray:
    """Return (1, T, P, D): (T, K, D) rows at their positions, zeros elsewhere."""
    full = np.zeros((1, rows.shape[0], patches, rows.shape[2]), dtype=np.float32)
    full[0][:, positions] = rows
    return full
