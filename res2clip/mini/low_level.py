"""What patches have in common without any network: colour, roughness, edges.

Steady lighting makes plain statistics good witnesses of a stain or a missing part, and a CNN that
was trained to name dogs under any light has forgotten them.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["gaussian_similarity", "low_level_statistics"]

_WINDOW_PATCHES = 2
_SPREAD = (0.25, 0.25, 0.25, 0.023, 0.07, 0.07, 0.07, 0.024)
"""Standard deviations over patches of photos: means of R, G, B and gradient; their deviations."""
_WIDTH = 2.0
"""Width of the kernel, in those."""


def low_level_statistics(image: Tensor, grid: int) -> Tensor:
    """Return (B, P, 8) means and deviations around each patch, over their spread in photos.

    Args:
        image: (B, 3, S, S) float in [0, 1].
        grid: patches along a side; P = grid * grid.
    """
    channels = torch.cat([image, _gradient(image.mean(1, keepdim=True))], dim=1)  # (B, 4, S, S)
    patch = image.shape[-1] // grid
    margin = (_WINDOW_PATCHES - 1) * patch // 2
    around = F.pad(channels, (margin,) * 4, mode="reflect")
    mean = F.avg_pool2d(around, _WINDOW_PATCHES * patch, stride=patch)
    square = F.avg_pool2d(around.square(), _WINDOW_PATCHES * patch, stride=patch)
    deviation = (square - mean.square()).clamp(min=0).sqrt()
    spread = torch.tensor(_SPREAD)[:, None, None]
    return (torch.cat([mean, deviation], dim=1) / spread).flatten(2).transpose(1, 2)


def gaussian_similarity(statistics: Tensor) -> Tensor:
    """Return (..., N, N) similarities in [0, 1] of (..., N, 8) statistics."""
    distance = torch.cdist(statistics, statistics)
    return torch.exp(-distance.square() / (2 * _WIDTH**2))


def _gradient(grey: Tensor) -> Tensor:
    """Return the (B, 1, S, S) length of Sobel's gradient, per pixel."""
    across = torch.tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]]) / 8
    kernels = torch.stack([across, across.T])[:, None]  # (2, 1, 3, 3)
    slopes = F.conv2d(F.pad(grey, (1, 1, 1, 1), mode="replicate"), kernels)
    return slopes.square().sum(1, keepdim=True).sqrt()
