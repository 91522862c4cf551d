"""The match stage as the method states it, in plain NumPy: whole matrix, sort, whole product.

What the block-by-block one is checked against (in float64) and timed beside (in float32).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["plain_match", "sorted_sparsemax"]

Floats = npt.NDArray[np.floating]


def plain_match(
    query: Floats, query_rho: Floats, bank: Floats, bank_rho: Floats, *, gamma: float
) -> Floats:
    """Return the (rows, D) residuals of patches of one tap, in the arrays' own precision.

    Args:
        query: (rows, D) unit patches.
        query_rho: (rows,) distance of each from the grid's centre, in patches.
        bank: (N, D) unit references.
        bank_rho: (N,) the same of each reference.
        gamma: weight of the radial penalty.
    """
    kind = query.dtype.type
    penalty = kind(gamma) * np.abs(query_rho[:, None] - bank_rho[None, :])
    mixed = sorted_sparsemax(query @ bank.T - penalty) @ bank
    return query - mixed / np.maximum(np.linalg.norm(mixed, axis=1, keepdims=True), kind(1e-12))


def sorted_sparsemax(scores: Floats) -> Floats:
    """Return sparsemax along the last axis by sorting it (Martins & Astudillo 2016, alg. 1)."""
    ordered = -np.sort(-scores, axis=-1)
    excess = np.cumsum(ordered, axis=-1) - 1
    rank = np.arange(1, scores.shape[-1] + 1, dtype=scores.dtype)
    support = (rank * ordered > excess).sum(axis=-1, keepdims=True)
    tau = np.take_along_axis(excess, support - 1, axis=-1) / support.astype(scores.dtype)
    return np.maximum(scores - tau, 0)
