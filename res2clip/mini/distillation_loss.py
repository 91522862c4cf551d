"""Losses that hand the teacher's view of a patch to the student's V-V taps."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from res2clip.mini.low_level import gaussian_similarity, low_level_statistics
from res2clip.mini.teacher import TEACHER_CHANNELS

__all__ = ["Probes", "probe_loss", "similarities", "similarity_loss"]

TAP_TARGETS = ((0,), (0, 1), (1, 2), (0, 1, 2))
"""Which of the teacher's maps (strides 8, 16, 16) each of the four taps has to tell."""
SIMILARITY_TARGETS = ((0, 1, 3), (0, 1), (0, 1, 2), (0, 1, 2))
"""The same for the cosines among patches; 3 is the low-level similarity. Mixtures match best."""


class Probes(nn.Module):
    """One linear map per tap and target; dropped after training."""

    def __init__(self, embed_dim: int) -> None:
        super().__init__()
        self.maps = nn.ModuleList(
            nn.Linear(embed_dim, sum(TEACHER_CHANNELS[t] for t in targets))
            for targets in TAP_TARGETS
        )


def probe_loss(probes: Probes, patches: Tensor, teacher: list[Tensor]) -> Tensor:
    """Return the mean over taps and targets of 1 - cos(probe(patch), teacher's feature).

    Args:
        probes: the linear maps.
        patches: (B, T, P, D) unit patch features.
        teacher: three (B, P, C) unit feature maps.
    """
    losses = []
    for tap, (probe, targets) in enumerate(zip(probes.maps, TAP_TARGETS, strict=True)):
        # Unit features are small numbers each; the factor gives the probe inputs of variance 1.
        told = probe(patches[:, tap] * patches.shape[-1] ** 0.5)
        parts = told.split([TEACHER_CHANNELS[t] for t in targets], dim=-1)
        for part, target in zip(parts, targets, strict=True):
            losses.append(1 - F.cosine_similarity(part, teacher[target], dim=-1).mean())
    return torch.stack(losses).mean()


def similarity_loss(patches: Tensor, told: list[Tensor], chosen: Tensor) -> Tensor:
    """Return how far cosines among the patches of two views differ from the similarities told.

    This fixes the geometry that matching measures, which a linear probe alone leaves free.

    Args:
        patches: (E, 2, T, P, D) unit patch features of a good and the flawed view of an episode.
        told: what ``similarities`` returns for the same views.
        chosen: (Q,) indices of the patches to compare.
    """
    own = _both_views(patches[:, :, :, chosen].transpose(1, 2))  # (E, T, 2 * Q, D)
    both = torch.cat([chosen, chosen + patches.shape[3]])
    theirs = [t[:, both[:, None], both] for t in told]  # (E, 2 * Q, 2 * Q)
    losses = []
    for tap, targets in enumerate(SIMILARITY_TARGETS):
        ours = own[:, tap] @ own[:, tap].transpose(-1, -2)
        target = torch.stack([theirs[t] for t in targets]).mean(0)
        losses.append(F.mse_loss(ours.float(), target.float()))
    return torch.stack(losses).mean()


def similarities(views: Tensor, teacher: list[Tensor]) -> list[Tensor]:
    """Return the teacher's three (E, 2 * P, 2 * P) cosines of two views, and the low-level ones.

    Args:
        views: (E, 2, 3, S, S) pictures in [0, 1].
        teacher: three (E * 2, P, C) unit feature maps of them.
    """
    maps = [_both_views(t.unflatten(0, (-1, 2))) for t in teacher]
    cosines = [m @ m.transpose(-1, -2) for m in maps]
    statistics = low_level_statistics(views.flatten(0, 1), math.isqrt(teacher[0].shape[1]))
    return [*cosines, gaussian_similarity(_both_views(statistics.unflatten(0, (-1, 2))))]


def _both_views(features: Tensor) -> Tensor:
    """Return (..., 2 * Q, C) of (..., 2, Q, C)."""
    return features.flatten(-3, -2)
