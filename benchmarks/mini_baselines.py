"""The two detectors the mini must beat: hand-made features, and a CNN's nearest neighbours.

Both follow one small protocol: ``features`` once per picture, ``inspect`` once per picture and
draw of references.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from PIL import Image
from scipy import ndimage

from res2clip.mini.teacher import load_teacher_network

FloatArray = npt.NDArray[np.float32]
SIDE_PX = 256


class Detector(Protocol):
    """What is compared."""

    name: str

    def features(self, file: Path) -> Any:
        """Return whatever of a picture can be computed once."""

    def inspect(self, features: Any, references: Sequence[Any]) -> tuple[float, FloatArray]:
        """Return the image score and a square anomaly map of any side."""


class CrudeBaseline:
    """Mean, deviation and gradient of 16 px windows; distance to the nearest reference window."""

    name = "crude features"
    _MOST = 1500  # reference windows kept

    def features(self, file: Path) -> FloatArray:
        with Image.open(file) as opened:
            small = opened.convert("RGB").resize((SIDE_PX, SIDE_PX), Image.Resampling.BILINEAR)
        picture = np.asarray(small, np.float64) / 255
        grey = picture.mean(2)
        gradient = np.hypot(ndimage.sobel(grey, 0), ndimage.sobel(grey, 1))
        columns = []
        for channel in (*np.moveaxis(picture, 2, 0), gradient):
            mean = ndimage.uniform_filter(channel, 16)[8::8, 8::8]
            square = ndimage.uniform_filter(channel**2, 16)[8::8, 8::8]
            columns += [mean, np.sqrt(np.maximum(square - mean**2, 0))]
        columns.append(ndimage.minimum_filter(grey, 9)[8::8, 8::8])
        columns.append(ndimage.maximum_filter(grey, 9)[8::8, 8::8])
        return np.stack(columns, axis=-1).astype(np.float32)

    def inspect(
        self, features: FloatArray, references: Sequence[FloatArray]
    ) -> tuple[float, FloatArray]:
        bank = np.concatenate([r.reshape(-1, r.shape[-1]) for r in references])
        mean, spread = bank.mean(0), bank.std(0) + 1e-6
        rng = np.random.default_rng(0)
        bank = bank[rng.choice(len(bank), min(self._MOST, len(bank)), replace=False)]
        bank, query = (bank - mean) / spread, (features - mean) / spread
        flat = query.reshape(-1, query.shape[-1])
        cross = (flat**2).sum(1)[:, None] + (bank**2).sum(1)[None] - 2 * flat @ bank.T
        nearest = cross.min(1).reshape(query.shape[:2])
        return float(nearest.max()), nearest.astype(np.float32)


class CnnNearestNeighbour:
    """EfficientNet-Lite0's strides 8 and 16 at 256 px; cosine distance to the nearest patch."""

    name = "CNN nearest neighbour"
    _BLOCKS = (4, 10)

    def __init__(self) -> None:
        network = load_teacher_network().eval()
        self._stem = torch.nn.Sequential(network._conv_stem, network._bn0, network._swish)
        self._blocks = list(network._blocks[: self._BLOCKS[-1] + 1])

    def features(self, file: Path) -> FloatArray:
        with Image.open(file) as opened:
            small = opened.convert("RGB").resize((SIDE_PX, SIDE_PX), Image.Resampling.BICUBIC)
        picture = (np.asarray(small, np.float32) - 127) / 128
        with torch.inference_mode():
            x = self._stem(torch.from_numpy(picture).permute(2, 0, 1)[None])
            maps = []
            for index, block in enumerate(self._blocks):
                x = block(x)
                if index in self._BLOCKS:
                    grid = (SIDE_PX // 8, SIDE_PX // 8)
                    resized = F.interpolate(x, size=grid, mode="bilinear", align_corners=False)
                    maps.append(F.normalize(resized, dim=1))
        joined = F.normalize(torch.cat(maps, dim=1), dim=1)[0].flatten(1).T  # (P, C)
        return np.ascontiguousarray(joined.numpy())

    def inspect(
        self, features: FloatArray, references: Sequence[FloatArray]
    ) -> tuple[float, FloatArray]:
        distance = 1 - (features @ np.concatenate(references).T).max(axis=1)
        side = int(len(distance) ** 0.5)
        square = distance.reshape(side, side)
        return float(square.max()), square
