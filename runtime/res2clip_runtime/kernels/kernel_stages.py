"""Stages of which preprocessing, match and score run as our kernels on a CUDA device.

Encoder and heads stay with the engine that is given; its arrays pass through host memory.
"""

from __future__ import annotations

import threading
from contextlib import ExitStack

import numpy as np
import numpy.typing as npt

from res2clip_runtime.closable import Closable
from res2clip_runtime.cuda import CudaDevice
from res2clip_runtime.kernels.device import KernelDevice
from res2clip_runtime.kernels.device_match import DeviceMatch
from res2clip_runtime.kernels.device_resize import DeviceResize
from res2clip_runtime.kernels.device_score import DeviceScore
from res2clip_runtime.kernels.resize_plan import FrameSize
from res2clip_runtime.preprocess import PictureU8
from res2clip_runtime.score import Scored
from res2clip_runtime.spec import MethodSpec
from res2clip_runtime.stages import BranchMaps, Features, FloatArray, Stages

__all__ = ["KernelStages"]


class KernelStages(Closable):
    """Resizes, matches and scores on the device; encodes and runs the heads on ``stages``."""

    def __init__(self, stages: Stages, device: KernelDevice) -> None:
        """Take over both; they are closed together.

        A lower precision is the encoder's alone: match and score are fp32 in every bundle.
        """
        self._stages = stages
        self._lock = threading.Lock()  # every stage has one set of buffers on the device
        self._device = device
        self._resize = DeviceResize(device)
        self._match = DeviceMatch(device, stages.spec)
        self._score = DeviceScore(device, stages.spec)

    @property
    def device(self) -> CudaDevice:
        """The device that they work on."""
        return self._device.cuda

    @property
    def spec(self) -> MethodSpec:
        """The method's constants of the model."""
        return self._stages.spec

    def resize(self, picture: PictureU8) -> PictureU8:
        """Return the (S, S, 3) square of an (H, W, 3) uint8 RGB picture, Pillow's to the bit."""
        height, width = picture.shape[:2]
        side = self.spec.image_size_px
        size = FrameSize(height=height, width=width, pixel_format="rgb", size_px=side)
        return self.resize_frame(picture, size)

    def resize_frame(self, frame: npt.NDArray[np.uint8], size: FrameSize) -> PictureU8:
        """Return the (S, S, 3) RGB square of a camera's frame, in any format and crop."""
        with self._lock:
            return self._resize(frame, size)

    def encode(self, images: PictureU8) -> Features:
        """Return the features of (B, S, S, 3) uint8 RGB pictures."""
        return self._stages.encode(images)

    def match(self, patches: FloatArray, bank: FloatArray, bank_rho: FloatArray) -> FloatArray:
        """Return (B, T, P, D) residuals of (B, T, P, D) patches against a (T, N, D) bank."""
        with self._lock:
            return self._match(patches, bank, bank_rho)

    def heads(
        self,
        last_patches: FloatArray,
        residual: FloatArray,
        image_feature: FloatArray,
        bank_global_mean: FloatArray,
    ) -> BranchMaps:
        """Return the branch maps of (B, P, D) last-tap patches, residuals, (B, D) and (D,)."""
        return self._stages.heads(last_patches, residual, image_feature, bank_global_mean)

    def score(self, maps: FloatArray, scores: FloatArray) -> Scored:
        """Return anomaly map and image score of (3, G, G) maps and (2,) scores."""
        with self._lock:
            return self._score(maps, scores)

    def close(self) -> None:
        """Free the device's memory and the engine."""
        with self._lock, ExitStack() as stack:
            stack.callback(getattr(self._stages, "close", lambda: None))
            stack.callback(self._device.close)
