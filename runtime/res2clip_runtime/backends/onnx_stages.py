"""A bundle's stages on ONNX Runtime: on the CPU, with CUDA, or with TensorRT."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from res2clip_runtime.backends.engine_options import EngineOptions
from res2clip_runtime.backends.onnx_providers import stage_providers
from res2clip_runtime.backends.onnx_session import import_onnxruntime, open_session
from res2clip_runtime.bundle import Bundle
from res2clip_runtime.errors import BackendError
from res2clip_runtime.preprocess import PictureU8
from res2clip_runtime.spec import MethodSpec
from res2clip_runtime.stages import BranchMaps, Features, FloatArray

__all__ = ["OnnxStages"]


class OnnxStages:
    """Encoder, match and heads as three ONNX Runtime sessions."""

    def __init__(
        self,
        bundle: Bundle,
        backend: str = "onnxruntime",
        *,
        threads: int | None = None,
        options: EngineOptions | None = None,
    ) -> None:
        """Open the three sessions on one of ``ONNX_BACKENDS``.

        Raises:
            MissingExtraError: ONNX Runtime is not installed.
            BackendError: a session could not be opened on the device that was asked for.
        """
        self._spec = bundle.manifest.method
        options = options or EngineOptions()
        extra = "cpu" if backend == "onnxruntime" else "gpu"
        version = str(import_onnxruntime(extra=extra).__version__)
        self._sessions = {
            name: open_session(
                str(bundle.stage_path(name)),
                providers=stage_providers(
                    backend, bundle, name, options=options, onnxruntime_version=version
                ),
                threads=threads,
                options=options,
            )
            for name in bundle.manifest.stages
        }

    @property
    def spec(self) -> MethodSpec:
        """The method's constants of the bundle."""
        return self._spec

    def encode(self, images: PictureU8) -> Features:
        """Return the features of (B, S, S, 3) uint8 RGB pictures."""
        patches, image = self._run("encoder", image_u8=images)
        return Features(patches=patches, image=image)

    def match(self, patches: FloatArray, bank: FloatArray, bank_rho: FloatArray) -> FloatArray:
        """Return (B, T, P, D) residuals of (B, T, P, D) patches against a (T, N, D) bank."""
        (residual,) = self._run("match", patches=patches, bank=bank, bank_rho=bank_rho)
        return residual

    def heads(
        self,
        last_patches: FloatArray,
        residual: FloatArray,
        image_feature: FloatArray,
        bank_global_mean: FloatArray,
    ) -> BranchMaps:
        """Return the branch maps of (B, P, D) last-tap patches, residuals, (B, D) and (D,)."""
        maps, scores = self._run(
            "heads",
            last_patches=last_patches,
            residual=residual,
            image_feature=image_feature,
            bank_global_mean=bank_global_mean,
        )
        return BranchMaps(maps=maps, scores=scores)

    def close(self) -> None:
        """Free the sessions."""
        self._sessions.clear()

    def _run(self, stage: str, **inputs: Any) -> Sequence[FloatArray]:
        session = self._sessions.get(stage)
        if session is None:
            raise BackendError("the inspector is closed; open a new one")
        feeds = {name: np.ascontiguousarray(value) for name, value in inputs.items()}
        try:
            outputs: Sequence[FloatArray] = session.run(None, feeds)
        except Exception as err:  # ONNX Runtime's errors share no public base class
            raise BackendError(f"ONNX Runtime failed in stage '{stage}': {err}") from err
        return outputs
