"""Stages of which preprocessing, match and score run as our kernels on a CUDA device.

Encoder and heads stay with the engine that is given; its arrays pass through host memory.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from res2clip_runtime.closable import Closable
from res2clip_runtime.errors import BackendError, InputError
from res2clip_runtime.kernels.device import KernelDevice
from res2clip_runtime.kernels.launch import ceil_divide
from res2clip_runtime.kernels.match_plan import (
    PENALTIES,
    TILE,
    MatchBuffers,
    MatchSize,
    match_launches,
)
from res2clip_runtime.kernels.resize_plan import FrameSize, ResizeBuffers, resize_launches
from res2clip_runtime.kernels.score_plan import (
    ScoreBuffers,
    ScoreSize,
    image_score,
    score_launches,
)
from res2clip_runtime.preprocess import PictureU8
from res2clip_runtime.score import Scored
from res2clip_runtime.spec import MethodSpec
from res2clip_runtime.stages import BranchMaps, Features, FloatArray, Stages

__all__ = ["KernelStages"]

_MATCHES = {f"sparse_{penalty}_knn": penalty for penalty in PENALTIES[1:]}
_MATCHES["sparse_knn"] = "none"


class KernelStages(Closable):
    """Resizes, matches and scores on the device; encodes and runs the heads on ``stages``."""

    def __init__(self, stages: Stages, device: KernelDevice) -> None:
        """Take over both; they are closed together.

        Raises:
            BackendError: the model's arithmetic or matching is not what the kernels compute.
        """
        if stages.spec.precision != "fp32":
            raise BackendError(
                f"the CUDA kernels compute in fp32, the bundle in {stages.spec.precision}; "
                "use backend tensorrt or onnxruntime-cuda for it, or export it in fp32"
            )
        if stages.spec.match not in _MATCHES:
            raise BackendError(f"the CUDA kernels do not know the matching '{stages.spec.match}'")
        self._stages = stages
        self._device = device
        self._bank: FloatArray | None = None
        self._frame_size: FrameSize | None = None
        self._frame_tables: dict[str, Any] = {}
        self._score_tables = ScoreSize(batch=1, spec=stages.spec).tables()
        for name, table in self._score_tables.items():
            device.upload(f"score {name}", table)

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
        """Return the (S, S, 3) RGB square of a camera's frame, in any format and crop.

        Raises:
            InputError: the frame has another number of bytes than its size says.
        """
        needed = size.buffer_bytes
        if frame.nbytes != needed["frame"]:
            raise InputError(f"the frame has {frame.nbytes} bytes, {needed['frame']} expected")
        if size != self._frame_size:
            self._frame_tables = size.tables()
            for name, table in self._frame_tables.items():
                self._device.upload(name, table)
            self._frame_size = size
        self._device.upload("frame", frame)
        buffers = {name: self._device.buffer(name, count) for name, count in needed.items()}
        tables = self._tables(self._frame_tables)
        taps = {f"taps_{axis}": self._frame_tables[f"weights_{axis}"].shape[1] for axis in "xy"}
        self._device.run(resize_launches(size, ResizeBuffers(**buffers, **tables), **taps))
        return self._device.download("square", (size.size_px, size.size_px, 3), np.uint8)

    def encode(self, images: PictureU8) -> Features:
        """Return the features of (B, S, S, 3) uint8 RGB pictures."""
        return self._stages.encode(images)

    def match(self, patches: FloatArray, bank: FloatArray, bank_rho: FloatArray) -> FloatArray:
        """Return (B, T, P, D) residuals of (B, T, P, D) patches against a (T, N, D) bank.

        The bank is rounded to fp16, which a recipe's file holds; it is copied to the device when
        another array comes than the last time, so do not change one in place.
        """
        size = self._match_size(patches, bank)
        buffers = {
            name: self._device.buffer(name, count) for name, count in size.buffer_bytes.items()
        }
        self._device.upload("queries", patches.astype(np.float32, copy=False))
        if bank is not self._bank:
            self._device.upload("bank", bank.astype(np.float16))
            self._bank = bank
        self._device.upload("bank_rho", bank_rho.astype(np.float32, copy=False))
        buffers["direction"] = None
        self._device.run(match_launches(size, MatchBuffers(**buffers)))
        return self._device.download("residual", patches.shape, np.float32)

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
        """Return anomaly map and image score of a picture's (3, G, G) maps and (2,) scores."""
        size = ScoreSize(batch=1, spec=self.spec)
        side = self.spec.image_size_px
        buffers = {
            name: self._device.buffer(name, count) for name, count in size.buffer_bytes.items()
        }
        self._device.upload("maps", maps.astype(np.float32, copy=False))
        launches = score_launches(
            size,
            ScoreBuffers(**buffers, **self._tables(self._score_tables, "score "), mask=None),
            band=self._score_tables["weights"].shape[1],
            map_band=self._score_tables["map_weights"].shape[1],
        )
        self._device.run(launches)
        tops = self._device.download("tops", (3,), np.float32)
        anomaly_map = self._device.download("anomaly_map", (side, side), np.float32)
        return Scored(image_score(tops, scores, self.spec), anomaly_map)

    def close(self) -> None:
        """Free the device's memory and the engine."""
        self._device.close()
        close = getattr(self._stages, "close", None)
        if close is not None:
            close()

    def _match_size(self, patches: FloatArray, bank: FloatArray) -> MatchSize:
        batch, taps, _, depth = patches.shape
        references = bank.shape[1]
        blocks = ceil_divide(self.spec.patches, TILE) * batch * taps
        return MatchSize(
            batch=batch,
            taps=taps,
            grid=self.spec.grid,
            depth=depth,
            references=references,
            gamma=self.spec.gamma,
            penalty=_MATCHES[self.spec.match],
            splits=MatchSize.splits_for(blocks, self._device.processors, references),
        )

    def _tables(self, tables: dict[str, Any], prefix: str = "") -> dict[str, Any]:
        """Return the device's buffers that hold ``tables``, which have been uploaded."""
        return {
            name: self._device.buffer(prefix + name, table.nbytes) for name, table in tables.items()
        }
