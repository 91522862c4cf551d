"""The match stage as kernels on a CUDA device."""

from __future__ import annotations

import numpy as np

from res2clip_runtime.errors import BackendError
from res2clip_runtime.kernels.device import KernelDevice
from res2clip_runtime.kernels.launch import Launch, ceil_divide
from res2clip_runtime.kernels.match_plan import (
    PENALTIES,
    TILE,
    MatchBuffers,
    MatchSize,
    match_launches,
)
from res2clip_runtime.spec import MethodSpec
from res2clip_runtime.stages import FloatArray

__all__ = ["DeviceMatch"]

_PENALTY_OF = {"sparse_knn": "none", **{f"sparse_{name}_knn": name for name in PENALTIES[1:]}}


class DeviceMatch:
    """Residuals of query patches against a bank that stays on the device."""

    def __init__(self, device: KernelDevice, spec: MethodSpec) -> None:
        """Match as ``spec`` says.

        Raises:
            BackendError: the kernels do not match in this way.
            InputError: they cannot take features of this size.
        """
        if spec.match not in _PENALTY_OF:
            raise BackendError(
                f"the CUDA kernels do not know the matching '{spec.match}'; use onnxruntime-cuda"
            )
        self._device = device
        self._spec = spec
        self._bank: FloatArray | None = None
        # What does not fit is refused before a picture comes.
        bank = np.broadcast_to(np.float32(0), (len(spec.taps), spec.patches, spec.embed_dim))
        self._size(bank[None], bank)

    def __call__(self, patches: FloatArray, bank: FloatArray, bank_rho: FloatArray) -> FloatArray:
        """Return (B, T, P, D) residuals of (B, T, P, D) patches against a (T, N, D) bank."""
        self._device.run(self.upload(patches, bank, bank_rho))
        return self.download(patches.shape)

    def upload(
        self, patches: FloatArray, bank: FloatArray, bank_rho: FloatArray
    ) -> tuple[Launch, ...]:
        """Copy what is new to the device; return the launches that match it.

        The bank is rounded to fp16, as it is in a recipe's file.  One that cannot be written to,
        as a recipe's, and that is the very one of the last time is there already.
        """
        size = self._size(patches, bank)
        self._device.upload("queries", patches.astype(np.float32, copy=False))
        if bank is not self._bank:
            self._bank = None  # a copy that fails leaves neither the old bank nor the new one
            self._device.upload("bank", bank.astype(np.float16))
            self._bank = None if bank.flags.writeable else bank
        self._device.upload("bank_rho", bank_rho.astype(np.float32, copy=False))
        buffers = {name: self._device.buffer(name, n) for name, n in size.buffer_bytes.items()}
        return match_launches(size, MatchBuffers(**{**buffers, "direction": None}))

    def download(self, shape: tuple[int, ...]) -> FloatArray:
        """Return the residuals of the last match."""
        return self._device.download("residual", shape, np.float32)

    def _size(self, patches: FloatArray, bank: FloatArray) -> MatchSize:
        batch, taps, count, depth = patches.shape
        references = bank.shape[1]
        blocks = ceil_divide(count, TILE) * batch * taps
        return MatchSize(
            batch=batch,
            taps=taps,
            grid=self._spec.grid,
            depth=depth,
            references=references,
            gamma=self._spec.gamma,
            penalty=_PENALTY_OF[self._spec.match],
            splits=MatchSize.splits_for(blocks, self._device.processors, references),
        )
