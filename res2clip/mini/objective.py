"""The total loss of one step: every loss on the same forward pass of the same episodes."""

from __future__ import annotations

import torch
from torch import Tensor

from res2clip.mini.distillation_loss import probe_loss, similarities, similarity_loss
from res2clip.mini.episode import Episodes, by_view, patch_labels
from res2clip.mini.learner import Learner
from res2clip.mini.matching_loss import (
    balanced_logistic,
    episode_residuals,
    image_scores,
    residual_loss,
)
from res2clip.mini.prompts import Prompts, text_residual, tokenize
from res2clip.mini.settings import LossWeights
from res2clip.mini.student import training_features
from res2clip.mini.teacher import Teacher
from res2clip.mini.text_loss import caption_loss, patch_text_loss, ranking_loss
from res2clip_runtime.spec import CLIP_MEAN, CLIP_STD
from res2clip_runtime.stages import grid_rho

__all__ = ["half_of", "normalised", "step_losses", "view_labels"]


def normalised(image: Tensor) -> Tensor:
    """Return (B, 3, H, W) pictures in [0, 1] minus CLIP's mean, over its standard deviation."""
    mean, std = torch.tensor(CLIP_MEAN), torch.tensor(CLIP_STD)
    return (image - mean[:, None, None]) / std[:, None, None]


def view_labels(episodes: Episodes, patch_px: int) -> tuple[Tensor, Tensor]:
    """Return (E, 3, P) bool each: flawed patches; clean patches that a good view shows."""
    flawed, untouched = patch_labels(episodes.masks, patch_px)
    good = torch.zeros_like(flawed)
    all_flawed = torch.stack([good, good, flawed], dim=1)
    clean = torch.stack([~good, ~good, untouched], dim=1) & episodes.seen
    return all_flawed, clean


def step_losses(
    learner: Learner,
    teacher: Teacher,
    episodes: Episodes,
    prompts: Prompts,
    *,
    weights: LossWeights,
    rng: torch.Generator,
) -> dict[str, Tensor]:
    """Return each weighted loss by name, and their sum as "total"."""
    images = episodes.images.flatten(0, 1)  # (E * 3, 3, S, S)
    patch_px = learner.visual.config.patch_size
    grid = images.shape[-1] // patch_px
    with torch.autocast("cpu", torch.bfloat16):
        features = training_features(learner.visual, normalised(images))
    flawed, clean = view_labels(episodes, patch_px)
    patches = by_view(features.patches)  # (E, 3, T, P, D)
    image = by_view(features.image)
    direction = text_residual(learner.text, prompts)
    chosen = half_of(flawed, rng)
    with torch.autocast("cpu", torch.bfloat16):
        residuals = episode_residuals(patches, torch.from_numpy(grid_rho(grid)), chosen)
    matched, flawed, clean = patches[..., chosen, :], flawed[..., chosen], clean[..., chosen]
    fused, visual, scores = image_scores(residuals, matched, image, direction)
    # One good view and the flawed one are enough for the teacher; the third is much like the first.
    taught, views = patches[:, ::2], episodes.images[:, ::2]  # (E, 2, ...)
    told = teacher(views.flatten(0, 1), grid)
    losses = {
        "probe": probe_loss(learner.probes, taught.flatten(0, 1), told),
        "similarity": similarity_loss(taught, similarities(views, told), chosen),
        "residual": residual_loss(residuals, flawed, clean, learner.residual_calibration),
        "fused": balanced_logistic(learner.fused_calibration(fused[:, :, None]), flawed, clean),
        "patch_text": patch_text_loss(matched, direction, flawed, clean)
        + 0.5 * ranking_loss(image @ direction, temperature=0.05),
        "ranking": (ranking_loss(scores, temperature=0.1) + ranking_loss(visual, temperature=0.1))
        / 2,
        "caption": _captions(learner, image, episodes.captions),
    }
    losses = {name: getattr(weights, name) * loss for name, loss in losses.items()}
    losses["total"] = torch.stack(list(losses.values())).sum()
    return losses


def half_of(flawed: Tensor, rng: torch.Generator) -> Tensor:
    """Return indices of half of the patches: those with a flaw in any episode first, then others.

    Matching half of them costs half as much; a small flaw left out would leave its picture's score
    nothing to be high for.

    Args:
        flawed: (E, 3, P) bool.
        rng: source of randomness.
    """
    somewhere = flawed.any(dim=0).any(dim=0).float()  # (P,)
    keys = somewhere + torch.rand(len(somewhere), generator=rng)
    return keys.argsort(descending=True)[: len(keys) // 2]


def _captions(learner: Learner, image: Tensor, captions: tuple[tuple[str, str], ...]) -> Tensor:
    """Contrast the first (good) and last (flawed) views with their captions, if they have one."""
    texts, features = [], []
    for index, (good, flawed) in enumerate(captions):
        for text, view in ((good, 0), (flawed, 2)):
            if text:
                texts.append(text)
                features.append(image[index, view])
    if len(texts) < 2:
        return image.sum() * 0
    same = torch.tensor([[a == b for b in texts] for a in texts])
    embedded = learner.text(tokenize(texts))
    return caption_loss(torch.stack(features), embedded, same, learner.logit_scale)
