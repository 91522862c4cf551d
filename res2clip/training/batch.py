"""From pairs of pictures to the tensors that the losses are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from res2clip.datasets import load_mask
from res2clip.encoding import FeaturesOf
from res2clip.matching import Matcher
from res2clip.training.pairs import Pair

__all__ = ["Batch", "BatchReader"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What the frozen encoder and matching say about some pictures; nothing of it has gradients."""

    last_patches: Tensor
    """(B, P, D) unit patch features of the last tap."""
    image: Tensor
    """(B, D) global features g."""
    residual: Tensor
    """(T, B, P, D) visual residuals R, tap by tap."""
    image_residual: Tensor
    """(B, D) g - g_ref."""


class BatchReader:
    """Reads features and masks; keeps the masks, a bit for a pixel."""

    def __init__(self, features: FeaturesOf, matcher: Matcher, size_px: int) -> None:
        """Read for an encoder that sees ``size_px`` x ``size_px`` pixels.

        Args:
            features: of picture files.
            matcher: on the device where the batches go.
            size_px: S.
        """
        self._features = features
        self._matcher = matcher
        self._size_px = size_px
        self._masks: dict[Path, npt.NDArray[np.uint8]] = {}

    @torch.no_grad()
    def read(self, pairs: Sequence[Pair]) -> Batch:
        """Return queries matched with their references, one shot each."""
        queries = self._features([pair.query.path for pair in pairs])
        references = self._features([pair.reference for pair in pairs])
        patches, bank = self._tensor(queries.patches), self._tensor(references.patches)
        rho = self._matcher.query_rho  # a bank of one picture has the query's own positions
        # Every query has its own bank.
        residuals = [self._matcher(patches[i, None], bank[i], rho) for i in range(len(pairs))]
        image = self._tensor(queries.image)
        return Batch(
            last_patches=patches[:, -1],
            image=image,
            residual=torch.cat(residuals).transpose(0, 1).contiguous(),  # (B, T, ..) -> (T, B, ..)
            image_residual=image - self._tensor(references.image),
        )

    def masks(self, pairs: Sequence[Pair]) -> Tensor:
        """Return (B, S, S) bool: mu at the encoder's resolution."""
        size = self._size_px
        packed = np.stack([self._packed(pair.query.mask) for pair in pairs])
        flat = np.unpackbits(packed, axis=1, count=size * size)
        masks = torch.from_numpy(flat.view(np.bool_).reshape(-1, size, size))
        return masks.to(self._matcher.query_rho.device)

    def _packed(self, mask: Path | None) -> npt.NDArray[np.uint8]:
        if mask is None:
            return np.zeros((self._size_px**2 + 7) // 8, dtype=np.uint8)
        if mask not in self._masks:
            self._masks[mask] = np.packbits(load_mask(mask, self._size_px, half_covered=True))
        return self._masks[mask]

    def _tensor(self, array: npt.NDArray[np.float32]) -> Tensor:
        return torch.from_numpy(array).to(self._matcher.query_rho.device)
