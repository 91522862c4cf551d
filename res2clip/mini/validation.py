"""Figures on held-out episodes that the training never sees: does a flaw stand out?"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from res2clip.mini.episode import VIEWS, Episodes
from res2clip.mini.learner import Learner
from res2clip.mini.matching_loss import episode_residuals, image_scores
from res2clip.mini.objective import normalised, view_labels
from res2clip.mini.prompts import Prompts, text_residual
from res2clip.mini.student import training_features
from res2clip_runtime.stages import grid_rho

__all__ = ["ValidationFigures", "validate"]


@dataclass(frozen=True, slots=True)
class ValidationFigures:
    """Mean areas under ROC curves over held-out episodes; 0.5 is chance."""

    visual: float
    """Patches by residual length."""
    fused: float
    """Patches by the fused map."""
    text: float
    """Patches by <patch, R_t>."""
    image: float
    """Flawed against good views by the image score."""


@torch.no_grad()
def validate(learner: Learner, episodes: Episodes, prompts: Prompts) -> ValidationFigures:
    """Return the figures of a learner on ``episodes``."""
    patch_px = learner.visual.config.patch_size
    grid = episodes.images.shape[-1] // patch_px
    with torch.autocast("cpu", torch.bfloat16):
        parts = [training_features(learner.visual, normalised(e)) for e in episodes.images]
    patches = torch.stack([p.patches for p in parts])  # (E, 3, T, P, D)
    image = torch.stack([p.image for p in parts])
    direction = text_residual(learner.text, prompts)
    residuals = episode_residuals(patches, torch.from_numpy(grid_rho(grid)))
    fused, _, scores = image_scores(residuals, patches, image, direction)
    flawed, clean = view_labels(episodes, patch_px)
    maps = (residuals.norm(dim=-1).mean(2), fused, patches[:, :, -1] @ direction)
    visual, fused_area, text = (_patch_area(m, flawed, clean) for m in maps)
    ranks = (scores[:, 2:] > scores[:, : VIEWS - 1]).float().mean()
    return ValidationFigures(visual, fused_area, text, float(ranks))


def _patch_area(maps: Tensor, flawed: Tensor, clean: Tensor) -> float:
    areas = []
    for episode in range(len(maps)):
        positive, negative = maps[episode][flawed[episode]], maps[episode][clean[episode]]
        if len(positive) and len(negative):
            areas.append((positive[:, None] > negative[None]).float().mean())
    return float(torch.stack(areas).mean())
