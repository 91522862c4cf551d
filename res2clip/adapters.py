"""The small learned heads (method.md, section 5)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["MultiScaleConvAdapter", "ResidualAdapter"]

BOTTLENECK = 4
"""The adapters narrow D to D / 4."""


class ResidualAdapter(nn.Module):
    """x + fc2(GELU(fc1(LayerNorm x))); the identity until it is trained."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.fc1 = nn.Linear(dim, dim // BOTTLENECK, bias=False)
        self.fc2 = nn.Linear(dim // BOTTLENECK, dim, bias=False)
        nn.init.zeros_(self.fc2.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Return the adapted (..., D) vectors."""
        out: Tensor = x + self.fc2(F.gelu(self.fc1(self.norm(x))))
        return out


class MultiScaleConvAdapter(nn.Module):
    """Adapts patch residuals with their neighbourhood at two scales; starts as the identity."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        narrow = dim // BOTTLENECK
        self.norm = nn.LayerNorm(dim)
        self.down = nn.Linear(dim, narrow, bias=False)
        self.conv_fine = nn.Conv2d(narrow, narrow, 3, padding=1, groups=narrow, bias=False)
        self.conv_coarse = nn.Conv2d(
            narrow, narrow, 3, padding=2, dilation=2, groups=narrow, bias=False
        )
        self.internal_norm = nn.LayerNorm(3 * narrow)
        self.blend = nn.Linear(3 * narrow, narrow, bias=False)
        self.up = nn.Linear(narrow, dim, bias=False)
        nn.init.zeros_(self.up.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Return the adapted (B, P, D) residuals of a square grid of patches."""
        grid = math.isqrt(x.shape[1])
        h = F.relu(self.down(self.norm(x)))  # (B, P, D/4)
        square = h.transpose(1, 2).unflatten(2, (grid, grid))  # (B, D/4, G, G)
        fine = self.conv_fine(square).flatten(2).transpose(1, 2)
        coarse = self.conv_coarse(square).flatten(2).transpose(1, 2)
        joined = self.internal_norm(torch.cat([h, fine, coarse], dim=-1))
        out: Tensor = x + self.up(F.relu(self.blend(joined)))
        return out
