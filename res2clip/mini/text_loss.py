"""Losses that tie text to pictures: captions to global features, the text residual to patches."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from res2clip.mini.matching_loss import balanced_logistic

__all__ = ["caption_loss", "patch_text_loss", "ranking_loss"]

_SLOPE = 20.0
"""Logits of a cosine; 0.1 is a clear flaw."""


def patch_text_loss(patches: Tensor, direction: Tensor, flawed: Tensor, clean: Tensor) -> Tensor:
    """Return a balanced logistic loss on <patch of the last tap, R_t>.

    Its slope is fixed and steep: in a large CLIP R_t is nearly orthogonal to every picture, and
    were it not so here, chance values of text would outweigh residuals in the image score.

    Args:
        patches: (E, 3, T, P, D) unit patch features.
        direction: (D,) the text residual.
        flawed: (E, 3, P) bool.
        clean: (E, 3, P) bool.
    """
    scores = (patches[:, :, -1] @ direction)[:, :, None]  # (E, 3, 1, P)
    return balanced_logistic(_SLOPE * scores, flawed, clean)


def ranking_loss(scores: Tensor, *, temperature: float) -> Tensor:
    """Return a logistic loss that wants the flawed view (last) above both good ones.

    Args:
        scores: (E, 3).
        temperature: difference of scores that counts as clear.
    """
    return F.softplus((scores[:, :2] - scores[:, 2:]) / temperature).mean()


def caption_loss(image: Tensor, text: Tensor, same: Tensor, logit_scale: Tensor) -> Tensor:
    """Return CLIP's symmetric contrastive loss, equal captions sharing the target.

    Args:
        image: (N, D) unit global features.
        text: (N, D) unit caption embeddings.
        same: (N, N) bool, whether two captions are equal.
        logit_scale: () logarithm of the inverse temperature.
    """
    logits = logit_scale.exp().clamp(max=100) * image @ text.T
    target = same / same.sum(dim=1, keepdim=True)
    rows = torch.sum(-target * F.log_softmax(logits, dim=1), dim=1)
    columns = torch.sum(-target * F.log_softmax(logits.T, dim=1), dim=1)
    return (rows.mean() + columns.mean()) / 2
