"""The losses of training (method.md, section 8).

Every loss is a sum over pixels, or pictures, each divided by how many of its kind the whole global
batch holds. So the losses and gradients of parts of a batch (processes, accumulation) simply add
up to those of the batch.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from res2clip_runtime.score import bilinear_matrix

__all__ = ["Truth", "count_kinds", "drift", "magnitude_control", "rank", "upsample"]

_LEAST_COUNT = 1e-6
"""Divisor where a batch holds no pixel or picture of a kind."""


@dataclass(frozen=True, slots=True)
class Truth:
    """Which pixels (or pictures) are anomalous, and what each counts."""

    anomalous: Tensor
    """(B, S, S) or (B,) bool: mu, or the picture's label."""
    weight: Tensor
    """float32, same shape: 1 / num_a where anomalous, else 1 / num_n."""

    @classmethod
    def of(cls, anomalous: Tensor, counts: Tensor) -> Truth:
        """Return the truth about a part of a batch.

        Args:
            anomalous: (B, S, S) or (B,) bool.
            counts: (2,) num_n and num_a of the whole global batch, from :func:`count_kinds`.
        """
        normal, defective = (1 / counts.clamp(min=_LEAST_COUNT)).float()
        return cls(anomalous, torch.where(anomalous, defective, normal))


def count_kinds(anomalous: Tensor) -> Tensor:
    """Return (2,) float64: how many are normal and how many anomalous."""
    defective = anomalous.sum(dtype=torch.float64)
    return torch.stack([anomalous.numel() - defective, defective])


def rank(scores: Tensor, margin: Tensor | float, truth: Truth) -> Tensor:
    """Return sum relu(s)(1 - mu) / num_n + sum relu(margin - s) mu / num_a.

    Args:
        scores: (..., B, S, S) upsampled, or (..., B) for whole pictures.
        margin: tau, or the dynamic margin, same shape as ``scores``.
        truth: of the pixels or pictures.
    """
    missed = torch.where(truth.anomalous, margin - scores, scores)
    return (F.relu(missed) * truth.weight).sum()


def magnitude_control(adapted_norm: Tensor, norm: Tensor, truth: Truth) -> Tensor:
    """Return sum ||A R|| (1 - mu) / num_n + sum | ||A R|| - ||R|| | mu / num_a.

    Args:
        adapted_norm: (..., B, S, S) upsampled length of the adapted residuals.
        norm: the same of the residuals themselves.
        truth: of the pixels.
    """
    cost = torch.where(truth.anomalous, (adapted_norm - norm).abs(), adapted_norm)
    return (cost * truth.weight).sum()


def drift(adapted: Tensor, original: Tensor) -> Tensor:
    """Return 1 - cos of two (D,) directions."""
    return 1 - F.cosine_similarity(adapted, original, dim=-1)


def upsample(maps: Tensor, size_px: int) -> Tensor:
    """Return (..., S, S): (..., P) patch values of a square grid, bilinear, half-pixel.

    Two products with a small matrix: cheaper than interpolation on a CPU, and its gradient is
    summed in a fixed order on a GPU.
    """
    grid = round(maps.shape[-1] ** 0.5)
    matrix = torch.from_numpy(bilinear_matrix(grid, size_px)).to(maps)
    return matrix @ maps.unflatten(-1, (grid, grid)) @ matrix.T
