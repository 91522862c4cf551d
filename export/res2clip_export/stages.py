"""The three modules that are traced, with their names and shapes; one entry a stage."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from res2clip.encoder import Encoder
from res2clip.matching import Strategy
from res2clip.model import Res2CLIP
from res2clip_export.sparsemax_unrolled import UnrolledMatcher
from res2clip_runtime.errors import InputError
from res2clip_runtime.manifest import TensorEntry

__all__ = ["ExportStage", "export_stages"]

EXPORTED_MATCH = "sparse_radial_knn"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportStage:
    """One stage as it is traced."""

    name: str
    """encoder, match or heads."""
    module: nn.Module
    """What is traced."""
    example: tuple[Tensor, ...]
    """Inputs to trace with."""
    inputs: tuple[TensorEntry, ...]
    """Names, dtypes and shapes of the inputs."""
    outputs: tuple[TensorEntry, ...]
    """Names, dtypes and shapes of the outputs."""

    @property
    def dynamic_axes(self) -> tuple[dict[int, Any], ...]:
        """Return the free axes of every input, for ``torch.export``."""
        free = {name: torch.export.Dim(name, min=1) for name in ("B", "N")}
        return tuple(
            {axis: free[size] for axis, size in enumerate(entry.shape) if isinstance(size, str)}
            for entry in self.inputs
        )


def export_stages(model: Res2CLIP) -> tuple[ExportStage, ...]:
    """Return the model's stages, on the CPU, ready to trace.

    Raises:
        InputError: the model matches in a way that only PyTorch runs.
    """
    spec = model.spec
    if spec.match != EXPORTED_MATCH:
        raise InputError(
            f"match '{spec.match}' runs in PyTorch only; export a model with '{EXPORTED_MATCH}'"
        )
    taps, patches, dim = len(spec.taps), spec.patches, spec.embed_dim
    size, grid = spec.image_size_px, spec.grid
    image = _entry("image_u8", "uint8", ("B", size, size, 3), "RGB pictures, resized")
    features = _entry("patches", "float32", ("B", taps, patches, dim), "unit patch features")
    last = _entry("last_patches", "float32", ("B", patches, dim), "patches of the last tap")
    feature = _entry("image_feature", "float32", ("B", dim), "unit global feature g")
    bank = _entry("bank", "float32", (taps, "N", dim), "unit reference patches")
    rho = _entry("bank_rho", "float32", ("N",), "distance from the grid's centre, in patches")
    residual = _entry("residual", "float32", ("B", taps, patches, dim), "q minus matched reference")
    mean = _entry("bank_global_mean", "float32", (dim,), "g_ref of the references")
    maps = _entry("maps", "float32", ("B", 3, grid, grid), "text, visual, residual map")
    scores = _entry("scores", "float32", ("B", 2), "<g, T>, relu(<B_g(g - g_ref), T_res>)")
    matcher = UnrolledMatcher(Strategy.parse(spec.match), grid)
    return (
        _stage("encoder", _frozen_size(model.encoder), (image,), (features, feature)),
        _stage("match", matcher, (features, bank, rho), (residual,)),
        _stage("heads", model.branches, (last, residual, feature, mean), (maps, scores)),
    )


def _entry(name: str, dtype: str, shape: tuple[int | str, ...], meaning: str) -> TensorEntry:
    return TensorEntry(name=name, dtype=dtype, shape=shape, meaning=meaning)


def _stage(
    name: str,
    module: nn.Module,
    inputs: tuple[TensorEntry, ...],
    outputs: tuple[TensorEntry, ...],
) -> ExportStage:
    return ExportStage(
        name=name,
        module=copy.deepcopy(module).cpu().eval(),
        example=tuple(_example(entry) for entry in inputs),
        inputs=inputs,
        outputs=outputs,
    )


def _example(entry: TensorEntry) -> Tensor:
    # Sizes other than 1, which torch.export would take for a constant.
    free = {"B": 2, "N": 37}
    shape = [free[size] if isinstance(size, str) else size for size in entry.shape]
    return torch.zeros(shape, dtype=getattr(torch, entry.dtype))


def _frozen_size(encoder: Encoder) -> Encoder:
    """Return a copy whose positional embedding has the inspected grid, so no graph resizes it."""
    frozen = copy.deepcopy(encoder)
    tower = frozen.tower
    grid = tower.config.grid
    with torch.no_grad():
        tower.positional_embedding = nn.Parameter(tower.positions((grid, grid)).clone(), False)
    return frozen
