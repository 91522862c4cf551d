"""The heads stage: residuals -> maps and scores of the three branches (method.md, section 6)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from res2clip.heads import ResidualHeads

__all__ = ["Branches"]


class Branches(nn.Module):
    """Text, visual and residual branch, training-free (``heads=None``) or with learned heads."""

    text: Tensor
    text_residual: Tensor

    def __init__(
        self, taps: Sequence[int], text_residual: Tensor, heads: ResidualHeads | None
    ) -> None:
        """Fix the directions T and T_res; they are constants after training.

        Args:
            taps: the tapped blocks, in order.
            text_residual: R_t, (D,) unit vector.
            heads: learned adapters, or None.
        """
        super().__init__()
        self.taps = tuple(taps)
        self.adapters = heads
        with torch.no_grad():
            text = heads.text_adapter(text_residual) if heads else text_residual
            direction = heads.res_text_adapter(text_residual) if heads else text_residual
        self.register_buffer("text", F.normalize(text, dim=-1))
        self.register_buffer("text_residual", F.normalize(direction, dim=-1))

    def forward(
        self,
        last_patches: Tensor,
        residual: Tensor,
        image_feature: Tensor,
        bank_global_mean: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Return maps (B, 3, G, G) and scores (B, 2).

        Args:
            last_patches: (B, P, D) unit patch features of the last tap.
            residual: (B, T, P, D).
            image_feature: (B, D) global features g.
            bank_global_mean: (D,) g_ref.
        """
        branches = [
            last_patches @ self.text,
            self._visual(residual),
            self._residual(residual),
        ]  # three of (B, P)
        grid = int(last_patches.shape[1] ** 0.5)
        maps = torch.stack(branches, dim=1).unflatten(2, (grid, grid))
        difference = image_feature - bank_global_mean
        if self.adapters is not None:
            difference = self.adapters.res_vis_global_adapter(difference)
        scores = torch.stack(
            [image_feature @ self.text, F.relu(difference @ self.text_residual)], dim=1
        )
        return maps, scores

    def _visual(self, residual: Tensor) -> Tensor:
        """Return the mean over the taps of ||A_l(R_l)||, (B, P)."""
        adapted = residual
        if self.adapters is not None:
            adapted = self._per_tap(self.adapters.vis_adapters, residual)
        return torch.linalg.vector_norm(adapted, dim=-1).mean(dim=1)

    def _residual(self, residual: Tensor) -> Tensor:
        """Return the mean over the taps of relu(<B_l(R_l), T_res>), (B, P); untrained: last tap."""
        if self.adapters is None:
            return F.relu(residual[:, -1] @ self.text_residual)
        adapted = self._per_tap(self.adapters.res_vis_local_adapters, residual)
        return F.relu(adapted @ self.text_residual).mean(dim=1)

    def _per_tap(self, adapters: nn.ModuleDict, residual: Tensor) -> Tensor:
        taps = [adapters[str(tap)](residual[:, t]) for t, tap in enumerate(self.taps)]
        return torch.stack(taps, dim=1)
