"""The encoder stage: 8-bit pictures -> unit-length features (method.md, sections 1 and 2)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from res2clip.backbone import VisionTower
from res2clip_runtime.spec import CLIP_MEAN, CLIP_STD

__all__ = ["Encoder"]


class Encoder(nn.Module):
    """Scaling, normalisation and the vision tower in one graph."""

    mean: Tensor
    std: Tensor

    def __init__(self, tower: VisionTower) -> None:
        super().__init__()
        self.tower = tower
        self.register_buffer("mean", torch.tensor(CLIP_MEAN).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(CLIP_STD).view(1, 3, 1, 1))

    def forward(self, image_u8: Tensor) -> tuple[Tensor, Tensor]:
        """Return patches (B, T, P, D) and global features (B, D) of (B, S, S, 3) uint8 RGB."""
        features = self.tower(self.normalise(image_u8))
        return features.patches, features.image

    def normalise(self, image_u8: Tensor) -> Tensor:
        """Return (B, 3, S, S) float32 with CLIP's mean and standard deviation removed."""
        # The cast comes first: TensorRT takes a uint8 input only into a Cast.
        pixels = image_u8.to(torch.float32).permute(0, 3, 1, 2)
        return (pixels / 255 - self.mean) / self.std
