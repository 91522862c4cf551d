"""The method's own residual, differentiable, and losses that make it small on good parts only.

What inspection will measure (method.md, sections 4, 6, 7) is measured here on episodes: every view
is matched against a good one, and flawed patches must leave the longer residual.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from res2clip.matching import GAMMA

__all__ = ["Calibration", "episode_residuals", "image_scores", "residual_loss"]

_TOP = 0.01  # section 7: the highest 1 %
_TAU_STEPS = 7  # enough for one or two references; inspection iterates to the end


class Calibration(nn.Module):
    """A trainable logit = slope * (score - middle) per map; dropped after training."""

    def __init__(self, maps: int, *, slope: float, middle: float) -> None:
        super().__init__()
        self.log_slope = nn.Parameter(torch.full((maps,), math.log(slope)))
        self.middle = nn.Parameter(torch.full((maps,), middle))

    def forward(self, scores: Tensor) -> Tensor:
        """Return (..., maps, P) logits of (..., maps, P) scores."""
        return self.log_slope.exp()[:, None] * (scores - self.middle[:, None])


def sparsemax(z: Tensor) -> Tensor:
    """Return the Euclidean projection of (..., N) onto the simplex, differentiable.

    The threshold's support is found by Michelot's iteration without gradients.
    """
    z = z - z.amax(dim=-1, keepdim=True).detach()
    with torch.no_grad():
        tau = torch.full_like(z[..., :1], -1.0)
        for _ in range(_TAU_STEPS):
            support = z > tau
            tau = ((z * support).sum(-1, keepdim=True) - 1) / support.sum(-1, keepdim=True)
        support = z > tau
    tau = ((z * support).sum(-1, keepdim=True) - 1) / support.sum(-1, keepdim=True)
    return (z - tau).clamp(min=0)


def episode_residuals(patches: Tensor, rho: Tensor, chosen: Tensor | None = None) -> Tensor:
    """Return (E, 3, T, Q, D) residuals of every view against a good other view.

    The good views are matched with each other, the flawed one with the first: one reference each,
    so that their scores can be compared.

    Args:
        patches: (E, 3, T, P, D) unit patch features; the third view is the flawed one.
        rho: (P,) radial positions.
        chosen: (Q,) indices of the patches whose residuals are wanted; None for all.
    """
    first, second, flawed = patches.unbind(1)  # (E, T, P, D)
    pairs = ((first, second), (second, first), (flawed, first))
    chosen = torch.arange(len(rho)) if chosen is None else chosen
    rows = [_residual(query[:, :, chosen], rho[chosen], bank, rho) for query, bank in pairs]
    return torch.stack(rows, dim=1)


def _residual(query: Tensor, query_rho: Tensor, bank: Tensor, bank_rho: Tensor) -> Tensor:
    # Under autocast both products are bfloat16; the projection onto the simplex stays float32.
    similarity = (query @ bank.transpose(-1, -2)).float()
    weights = sparsemax(similarity - GAMMA * (query_rho[:, None] - bank_rho[None]).abs())
    return query - F.normalize((weights @ bank).float(), dim=-1)


def top_mean(maps: Tensor) -> Tensor:
    """Return the mean of the highest 1 % (at least two patches) of (..., P) maps."""
    count = max(2, round(_TOP * maps.shape[-1]))
    return maps.topk(count, dim=-1).values.mean(-1)


def image_scores(
    residuals: Tensor, patches: Tensor, image: Tensor, text_direction: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return training-free fused maps (E, 3, P), visual scores (E, 3) and image scores (E, 3).

    Args:
        residuals: (E, 3, T, P, D).
        patches: (E, 3, T, P, D) unit features of the same patches.
        image: (E, 3, D) unit global features.
        text_direction: (D,) the text residual R_t.
    """
    text = patches[:, :, -1] @ text_direction
    visual = _length(residuals).mean(dim=2)
    residual = F.relu(residuals[:, :, -1] @ text_direction)
    reference = F.normalize(image[:, :2].mean(1, keepdim=True), dim=-1)
    global_residual = F.relu((image - reference) @ text_direction)
    s_text = (top_mean(text) + image @ text_direction) / 2
    s_residual = (top_mean(residual) + global_residual) / 2
    s_visual = top_mean(visual)
    return 0.1 * text + visual + residual, s_visual, s_text + s_visual + s_residual


def _length(residuals: Tensor) -> Tensor:
    return (residuals.square().sum(-1) + 1e-6).sqrt()


def residual_loss(
    residuals: Tensor, flawed: Tensor, clean: Tensor, calibration: Calibration
) -> Tensor:
    """Return a balanced logistic loss on residual lengths, of every tap and of their mean.

    Args:
        residuals: (E, 3, T, P, D).
        flawed: (E, 3, P) bool.
        clean: (E, 3, P) bool; patches that are neither are ignored.
        calibration: for T + 1 maps.
    """
    lengths = _length(residuals)
    maps = torch.cat([lengths, lengths.mean(dim=2, keepdim=True)], dim=2)  # (E, 3, T + 1, P)
    return balanced_logistic(calibration(maps), flawed, clean)


def balanced_logistic(logits: Tensor, flawed: Tensor, clean: Tensor) -> Tensor:
    """Return the mean of both classes' logistic losses; hard clean patches count more.

    Args:
        logits: (E, 3, M, P).
        flawed: (E, 3, P) bool.
        clean: (E, 3, P) bool.
    """
    weights = flawed / flawed.sum(-1, keepdim=True).clamp(min=1)  # every flaw counts alike
    positive = (F.softplus(-logits) * weights[:, :, None]).sum((0, 1, 3)) / weights.sum().clamp(
        min=1
    )
    cost = F.softplus(logits) * clean[:, :, None]
    easy = cost.sum((0, 1, 3)) / clean.sum().clamp(min=1)
    worst = cost.topk(max(2, cost.shape[-1] // 32), dim=-1).values.mean((0, 1, 3))
    return (positive + 0.6 * easy + 0.4 * worst).mean()
