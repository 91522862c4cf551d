"""The text residual R_t: the direction from "flawless" to "damaged" (method.md, section 3)."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor

from res2clip.text_tower import TextTower

__all__ = [
    "ANOMALOUS_PHRASES",
    "NEUTRAL_PHRASES",
    "NORMAL_PHRASES",
    "TEMPLATES",
    "mean_embedding",
    "text_residual",
]

TEMPLATES = (
    "a photo of a {}.",
    "a photo of the {}.",
    "a cropped photo of a {}.",
    "a cropped photo of the {}.",
    "a close-up photo of a {}.",
    "a close-up photo of the {}.",
    "the {} in the image.",
    "the {} in the scene.",
    "an image of a {}.",
    "an image of the {}.",
    "a rendering of a {}.",
    "a photo of one {}.",
    "showing the {}.",
    "showing a {}.",
    "itap of a {}.",
)
NORMAL_PHRASES = tuple(
    f"{state} object".strip() for state in ("", "perfect", "flawless", "clean", "undamaged")
)
ANOMALOUS_PHRASES = ("damaged object", "object with damaged")
NEUTRAL_PHRASES = ("object",)


def text_residual(tower: TextTower) -> Tensor:
    """Return R_t = normalise(t_anomalous - t_normal), (D,) float32."""
    anomalous = mean_embedding(tower, ANOMALOUS_PHRASES)
    return F.normalize(anomalous - mean_embedding(tower, NORMAL_PHRASES), dim=-1)


def mean_embedding(tower: TextTower, phrases: Sequence[str]) -> Tensor:
    """Return the (D,) normalised mean embedding of every phrase in every template."""
    prompts = [template.format(phrase) for phrase in phrases for template in TEMPLATES]
    return F.normalize(tower.encode(prompts).mean(dim=0), dim=-1)
