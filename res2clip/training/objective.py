"""What each group of adapters is trained for (method.md, section 8)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from res2clip.heads import ResidualHeads
from res2clip.losses import Truth, drift, magnitude_control, rank, upsample
from res2clip.training.batch import Batch

__all__ = ["LOSSES", "Objective", "PartTruth", "trained_losses", "trains_direction"]

LOSSES = ("text", "visual", "residual", "direction")
"""Every loss; each trains the group of adapters of its name."""


def trains_direction(epoch: int) -> bool:
    """Return whether the residual branch trains C_res in this epoch (0-based), else B and B_g."""
    return epoch % 2 == 1


def trained_losses(epoch: int) -> tuple[str, str, str]:
    """Return the names of the losses that are trained in an epoch."""
    return ("text", "visual", "direction" if trains_direction(epoch) else "residual")


@dataclass(frozen=True, slots=True, kw_only=True)
class PartTruth:
    """The truth about a part of a global batch."""

    pixels: Truth
    """(B, S, S)."""
    pictures: Truth
    """(B,)."""
    share: float
    """The part's pictures over the global batch's; weighs what is a mean over pictures."""

    @property
    def size_px(self) -> int:
        """S."""
        return self.pixels.anomalous.shape[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """The losses of a part of a global batch; added up over the parts, they are the batch's."""

    heads: ResidualHeads
    """The adapters."""
    text_residual: Tensor
    """(D,) R_t."""
    margin: float
    """tau."""
    autocast: Callable[[], AbstractContextManager[Any]]
    """Arithmetic of the adapters; the losses themselves are fp32."""

    def losses(self, batch: Batch, truth: PartTruth, epoch: int) -> dict[str, Tensor]:
        """Return the scalar losses that are trained in this epoch, by name."""
        norm = torch.linalg.vector_norm(batch.residual, dim=-1)  # (T, B, P)
        margin = upsample(norm, truth.size_px)  # (T, B, S, S)
        residual = self._direction if trains_direction(epoch) else self._residual
        values = (
            self._text(batch, truth),
            self._visual(batch, margin, truth),
            residual(batch, norm, margin, truth),
        )
        return dict(zip(trained_losses(epoch), values, strict=True))

    def _text(self, batch: Batch, truth: PartTruth) -> Tensor:
        """Return L_text, which trains C."""
        direction = self._turned(self.heads.text_adapter)
        patches = upsample(batch.last_patches @ direction, truth.size_px)
        return (
            rank(batch.image @ direction, self.margin, truth.pictures)
            + rank(patches, self.margin, truth.pixels)
            + drift(direction, self.text_residual) * truth.share
        )

    def _visual(self, batch: Batch, margin: Tensor, truth: PartTruth) -> Tensor:
        """Return L_vis, which trains A."""
        adapted = self._per_tap(self.heads.vis_adapters, batch.residual)
        norm = upsample(torch.linalg.vector_norm(adapted, dim=-1), truth.size_px)
        return magnitude_control(norm, margin, truth.pixels)

    def _residual(self, batch: Batch, norm: Tensor, margin: Tensor, truth: PartTruth) -> Tensor:
        """Return the residual branch's loss that trains B and B_g, with T_res as it is."""
        with torch.no_grad():
            direction = self._turned(self.heads.res_text_adapter)
        local, whole = self._adapted(batch)
        ranked = self._rank(batch, local, whole, direction, margin, truth)
        kept = _mean_change(local, norm).sum() + _mean_change(
            whole, torch.linalg.vector_norm(batch.image_residual, dim=-1)
        )
        return ranked + kept * truth.share

    def _direction(self, batch: Batch, norm: Tensor, margin: Tensor, truth: PartTruth) -> Tensor:
        """Return the residual branch's loss that trains C_res, with B and B_g as they are."""
        direction = self._turned(self.heads.res_text_adapter)
        with torch.no_grad():
            local, whole = self._adapted(batch)
        ranked = self._rank(batch, local, whole, direction, margin, truth)
        return ranked + drift(direction, self.text_residual) * truth.share

    def _rank(
        self,
        batch: Batch,
        local: Tensor,
        whole: Tensor,
        direction: Tensor,
        margin: Tensor,
        truth: PartTruth,
    ) -> Tensor:
        """Return the ranking with the dynamic margin tau ||R||, over all taps and globally."""
        size, tau = truth.size_px, self.margin
        of_picture = tau * torch.linalg.vector_norm(batch.image_residual, dim=-1)
        return rank(upsample(local @ direction, size), tau * margin, truth.pixels) + rank(
            whole @ direction, of_picture, truth.pictures
        )

    def _adapted(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return B(R), (T, B, P, D), and B_g(g - g_ref), (B, D)."""
        local = self._per_tap(self.heads.res_vis_local_adapters, batch.residual)
        with self.autocast():
            whole = self.heads.res_vis_global_adapter(batch.image_residual)
        return local, whole

    def _per_tap(self, adapters: nn.ModuleDict, residual: Tensor) -> Tensor:
        with self.autocast():
            taps = [adapt(residual[t]) for t, adapt in enumerate(adapters.values())]
        return torch.stack(taps)

    def _turned(self, adapter: nn.Module) -> Tensor:
        """Return the adapted text residual, a (D,) unit vector."""
        with self.autocast():
            adapted = adapter(self.text_residual)
        return F.normalize(adapted, dim=-1)


def _mean_change(adapted: Tensor, norm: Tensor) -> Tensor:
    """Return the mean of | ||B R|| - ||R|| | over pictures and patches, for each tap."""
    change = (torch.linalg.vector_norm(adapted, dim=-1) - norm).abs()
    return change.flatten(-2).mean(-1) if change.ndim == 3 else change.mean()
