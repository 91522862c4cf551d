"""The score stage as kernels on a CUDA device."""

from __future__ import annotations

import numpy as np

from res2clip_runtime.kernels.device import KernelDevice
from res2clip_runtime.kernels.launch import Launch
from res2clip_runtime.kernels.score_plan import (
    ScoreBuffers,
    ScoreSize,
    image_score,
    score_launches,
)
from res2clip_runtime.score import Scored
from res2clip_runtime.spec import MethodSpec
from res2clip_runtime.stages import FloatArray

__all__ = ["DeviceScore"]


class DeviceScore:
    """Scores one picture at a time; the tables stay on the device."""

    def __init__(self, device: KernelDevice, spec: MethodSpec) -> None:
        self._device = device
        self._spec = spec
        self._size = ScoreSize(batch=1, spec=spec)
        self._tables = self._size.tables()
        for name, table in self._tables.items():
            device.upload(name, table)

    def __call__(self, maps: FloatArray, scores: FloatArray) -> Scored:
        """Return anomaly map and image score of (3, G, G) maps and (2,) scores."""
        self._device.run(self.upload(maps))
        return self.download(scores)

    def upload(self, maps: FloatArray) -> tuple[Launch, ...]:
        """Copy the maps to the device; return the launches that score them."""
        self._device.upload("maps", maps.astype(np.float32, copy=False))
        sizes = self._size.buffer_bytes
        sizes |= {name: table.nbytes for name, table in self._tables.items()}
        buffers = {name: self._device.buffer(name, count) for name, count in sizes.items()}
        bands = {
            "band": self._tables["weights"].shape[1],
            "map_band": self._tables["map_weights"].shape[1],
        }
        return score_launches(self._size, ScoreBuffers(**buffers, mask=None), **bands)

    def download(self, scores: FloatArray) -> Scored:
        """Return anomaly map and image score of the last maps and these (2,) scores."""
        side = self._spec.image_size_px
        tops = self._device.download("tops", (3,), np.float32)
        anomaly_map = self._device.download("anomaly_map", (side, side), np.float32)
        return Scored(image_score(tops, scores, self._spec), anomaly_map)
