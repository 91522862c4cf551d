"""The modules that learn together, their initial values and their optimisers."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from res2clip.backbone import VisionTower
from res2clip.mini.architecture import text_config, vision_config
from res2clip.mini.distillation_loss import Probes
from res2clip.mini.matching_loss import Calibration
from res2clip.mini.text_tower import TextTower

__all__ = ["Learner", "RunningMean", "optimisers", "whitening_filters"]


class Learner(nn.Module):
    """Both towers, and what is dropped after training: probes and calibrations."""

    def __init__(self) -> None:
        super().__init__()
        vision, text = vision_config(), text_config()
        taps = len(vision.taps)
        self.visual = VisionTower(vision)
        self.text = TextTower(text)
        self.logit_scale = nn.Parameter(torch.tensor(2.66))  # ln(1 / 0.07), as in CLIP
        self.probes = Probes(vision.embed_dim)
        self.residual_calibration = Calibration(taps + 1, slope=8.0, middle=0.6)
        self.fused_calibration = Calibration(1, slope=8.0, middle=0.7)
        self._initialise()

    @torch.no_grad()
    def _initialise(self) -> None:
        tower = self.visual
        blocks: Any = tower.transformer.resblocks
        for block in blocks:
            depth_scale = (2 * tower.config.depth) ** -0.5
            nn.init.normal_(block.attn.out_proj.weight, std=depth_scale * tower.config.width**-0.5)
            nn.init.normal_(
                block.mlp.c_proj.weight, std=0.5 * depth_scale * tower.config.width**-0.5
            )
            nn.init.zeros_(block.attn.out_proj.bias)
        nn.init.normal_(tower.positional_embedding, std=0.02)
        nn.init.orthogonal_(tower.proj)

    def towers(self) -> dict[str, Tensor]:
        """Return the tensors of both towers under OpenAI's names."""
        tensors = {f"visual.{name}": t for name, t in self.visual.state_dict().items()}
        tensors |= self.text.state_dict()
        tensors["logit_scale"] = self.logit_scale.detach()
        return tensors


def whitening_filters(crops: Tensor, patch_px: int) -> Tensor:
    """Return (C, 3, patch, patch) filters that give uncorrelated outputs of about unit variance.

    A patch convolution that starts so hands on all of a patch, fine structure included.

    Args:
        crops: (N, 3, H, W) normalised pictures.
        patch_px: side of a patch; C = 3 * patch_px ** 2.
    """
    windows = crops.unfold(2, patch_px, patch_px).unfold(3, patch_px, patch_px)
    rows = windows.permute(0, 2, 3, 1, 4, 5).flatten(3).flatten(0, 2)  # (patches, C)
    values, vectors = torch.linalg.eigh(torch.cov(rows.T))
    scales = (values.clamp(min=0) + 0.02 * values.mean()).rsqrt()
    filters: Tensor = (vectors * scales).T.reshape(-1, 3, patch_px, patch_px)
    return filters


def optimisers(
    learner: Learner, *, matrix_lr: float, other_lr: float
) -> list[torch.optim.Optimizer]:
    """Return Muon for the vision blocks' matrices and AdamW for everything else."""
    matrices = list(_block_matrices(learner))
    chosen = {id(p) for p in matrices}
    others = [p for p in learner.parameters() if id(p) not in chosen]
    decayed = [p for p in others if p.ndim > 1]
    plain = [p for p in others if p.ndim <= 1]
    return [
        torch.optim.Muon(
            matrices, lr=matrix_lr, weight_decay=0.02, adjust_lr_fn="match_rms_adamw", ns_steps=4
        ),
        torch.optim.AdamW(
            [{"params": decayed, "weight_decay": 0.02}, {"params": plain, "weight_decay": 0.0}],
            lr=other_lr,
            betas=(0.9, 0.98),
        ),
    ]


def _block_matrices(learner: Learner) -> Iterator[nn.Parameter]:
    for parameter in learner.visual.transformer.parameters():
        if parameter.ndim == 2:
            yield parameter


class RunningMean:
    """The exponential running mean of a learner's weights."""

    def __init__(self, learner: Learner, decay: float) -> None:
        self.learner = copy.deepcopy(learner).eval().requires_grad_(False)
        self._decay = decay

    @torch.no_grad()
    def update(self, learner: Learner, step: int) -> None:
        """Take in the weights after ``step``; early steps are forgotten sooner."""
        decay = min(self._decay, (1 + step) / (10 + step))
        for mean, new in zip(self.learner.parameters(), learner.parameters(), strict=True):
            mean.lerp_(new, 1 - decay)
