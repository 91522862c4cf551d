"""Matching query patches with reference patches -> visual residuals (method.md, section 4)."""

from __future__ import annotations

import re
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from res2clip_runtime.errors import InputError
from res2clip_runtime.stages import grid_rho

__all__ = ["Matcher", "Strategy", "residual_of", "sparsemax"]

GAMMA = 0.01
"""Weight of the positional penalty."""
_SORTED_AT_FIRST = 64
TEMPERATURE = 0.05
"""Of the softmax over the K nearest neighbours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """A matching strategy, by the names of the golden files."""

    penalty: str
    """``none``, ``local`` (Euclidean patch distance) or ``radial``."""
    neighbours: int
    """K of the nearest-neighbour variants; 0: sparsemax over all references."""

    @classmethod
    def parse(cls, name: str) -> Strategy:
        """Return the strategy called ``name``, for example ``sparse_radial_knn`` or ``local_1nn``.

        Raises:
            InputError: there is no such strategy.
        """
        if found := re.fullmatch(r"sparse_(?:(local|radial)_)?knn", name):
            return cls(penalty=found[1] or "none", neighbours=0)
        if found := re.fullmatch(r"(none|local|radial)_([1-9]\d*)nn", name):
            return cls(penalty=found[1], neighbours=int(found[2]))
        raise InputError(
            f"unknown matching strategy '{name}' (--match); use sparse_radial_knn, sparse_knn, or "
            "<none|local|radial>_<K>nn, for example radial_3nn"
        )


class Matcher(torch.nn.Module):
    """Residuals of query patches against a bank, tap by tap."""

    query_rho: Tensor

    def __init__(self, strategy: Strategy, grid: int) -> None:
        super().__init__()
        self.strategy = strategy
        self.grid = grid
        self.register_buffer("query_rho", torch.from_numpy(grid_rho(grid)))

    def forward(self, patches: Tensor, bank: Tensor, bank_rho: Tensor) -> Tensor:
        """Return (B, T, P, D) residuals.

        Args:
            patches: (B, T, P, D) unit query features.
            bank: (T, N, D) unit reference features, shared by the batch.
            bank_rho: (N,) distance of each reference patch from its grid's centre.
        """
        penalty = self._penalty(bank_rho)
        taps = [self._match(patches[:, t], bank[t], penalty) for t in range(patches.shape[1])]
        return torch.stack(taps, dim=1)

    def _match(self, query: Tensor, bank: Tensor, penalty: Tensor) -> Tensor:
        similarity = query @ bank.T  # (B, P, N)
        weights = self._weights(similarity, similarity - penalty)
        return residual_of(query, weights @ bank)

    def _weights(self, similarity: Tensor, penalised: Tensor) -> Tensor:
        if not self.strategy.neighbours:
            return self._sparsemax(penalised)
        count = min(self.strategy.neighbours, penalised.shape[-1])
        best = penalised.topk(count, dim=-1).indices
        # The penalty chooses the neighbours, plain similarity weighs them.
        weights = torch.softmax(similarity.gather(-1, best) / TEMPERATURE, dim=-1)
        return torch.zeros_like(similarity).scatter(-1, best, weights)

    def _sparsemax(self, scores: Tensor) -> Tensor:
        return sparsemax(scores)

    def _penalty(self, bank_rho: Tensor) -> Tensor:
        """Return (P, N) penalties."""
        if self.strategy.penalty == "radial":
            return GAMMA * (self.query_rho[:, None] - bank_rho[None, :]).abs()
        if self.strategy.penalty == "local":
            return GAMMA * self._patch_distance(bank_rho.shape[0])
        return bank_rho.new_zeros(())

    def _patch_distance(self, references: int) -> Tensor:
        """Return (P, N) Euclidean distances on the grid; the bank must be whole grids."""
        patches = self.grid**2
        if references % patches:
            raise InputError("the 'local' penalty needs a bank of whole pictures; use 'radial'")
        cells = torch.arange(patches, device=self.query_rho.device)
        position = torch.stack([cells // self.grid, cells % self.grid], dim=1).float()
        return torch.cdist(position, position).repeat(1, references // patches)


def residual_of(query: Tensor, mixed: Tensor) -> Tensor:
    """Return R = q - normalise(mixed references), same shape as ``query``."""
    return query - F.normalize(mixed, dim=-1)


def sparsemax(scores: Tensor) -> Tensor:
    """Return the projection of the last axis onto the simplex (Martins & Astudillo 2016, alg. 1).

    Exact, same shape as ``scores``. Only the largest scores are sorted: what gets weight are a few
    dozen references, and if all that were sorted do, more are.
    """
    shifted = scores - scores.amax(dim=-1, keepdim=True)
    total = scores.shape[-1]
    count = min(_SORTED_AT_FIRST, total)
    while True:
        largest = shifted.topk(count, dim=-1).values
        excess = largest.cumsum(dim=-1) - 1  # sum of the k largest, minus one
        rank = torch.arange(1, count + 1, device=scores.device, dtype=scores.dtype)
        support = (rank * largest > excess).sum(dim=-1, keepdim=True)
        if count == total or int(support.max()) < count:
            tau = excess.gather(-1, support - 1) / support.to(scores.dtype)
            return (shifted - tau).clamp(min=0)
        count = min(4 * count, total)
