"""Res2CLIP in PyTorch: encoder, matching and branches, ready to teach, inspect and export."""

from __future__ import annotations

import copy
import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from res2clip.branches import Branches
from res2clip.encoder import Encoder
from res2clip.heads import ResidualHeads, load_heads
from res2clip.loading import Backbone
from res2clip.matching import GAMMA, Matcher, Strategy
from res2clip.text_residual import ANOMALOUS_PHRASES, NORMAL_PHRASES, TEMPLATES, text_residual
from res2clip.text_tower import TextTower
from res2clip.weights import tensors_digest
from res2clip_runtime.inspection import inspect
from res2clip_runtime.preprocess import ImageLike, PictureU8
from res2clip_runtime.recipe import Recipe
from res2clip_runtime.spec import MethodSpec
from res2clip_runtime.stages import BranchMaps, Features, FloatArray
from res2clip_runtime.teaching import teach
from res2clip_runtime.verdict import Verdict

__all__ = ["Res2CLIP"]

TEXT_WEIGHT = 0.1
RESIDUAL_WEIGHT_TRAINING_FREE = 1.0
RESIDUAL_WEIGHT_FINE_TUNED = 0.1
"""Weights of the fusion, section 6."""


class Res2CLIP:
    """A frozen CLIP with residual branches; provides the runtime's three stages in PyTorch."""

    def __init__(
        self,
        backbone: Backbone,
        heads: str | os.PathLike[str] | ResidualHeads | None = None,
        match: str = "sparse_radial_knn",
        *,
        device: str | torch.device = "cpu",
    ) -> None:
        """Build the three stages.

        Args:
            backbone: from :func:`res2clip.load_backbone`.
            heads: learned heads or their file; None works training-free.
            match: matching strategy; only ``sparse_radial_knn`` can be exported.
            device: where the stages run.

        Raises:
            InputError: unknown strategy.
            ArtefactError: the heads do not fit the backbone.
        """
        config = backbone.config
        self.backbone = backbone
        self.device = torch.device(device)
        self._text_residual = text_residual(TextTower(backbone.text, backbone.text_weights))
        self.encoder = Encoder(backbone.tower).to(self.device).eval()
        self.matcher = Matcher(Strategy.parse(match), config.grid).to(self.device).eval()
        self._match_name = match
        self._take_heads(heads)

    def with_heads(self, heads: str | os.PathLike[str] | ResidualHeads | None) -> Res2CLIP:
        """Return the same frozen model with other heads; everything else is shared.

        Raises:
            ArtefactError: the heads do not fit the backbone.
        """
        other = copy.copy(self)
        other.__dict__.pop("spec", None)  # it names the heads
        other._take_heads(heads)
        return other

    @cached_property
    def spec(self) -> MethodSpec:
        """The method's constants of this model."""
        config = self.backbone.config
        return MethodSpec(
            image_size_px=config.image_size_px,
            patch_size_px=config.patch_size,
            embed_dim=config.embed_dim,
            taps=config.taps,
            vv_depth=config.vv_depth,
            match=self._match_name,
            gamma=GAMMA,
            text_weight=TEXT_WEIGHT,
            residual_weight=(
                RESIDUAL_WEIGHT_FINE_TUNED if self.residual_heads else RESIDUAL_WEIGHT_TRAINING_FREE
            ),
            encoder_id=self.backbone.encoder_id,
            heads_id=self._heads_id(),
        )

    def teach(self, images: Sequence[ImageLike], *, product: str) -> Recipe:
        """Return a recipe taught with good pictures.

        Raises:
            InputError: a picture cannot be used, or is there twice.
        """
        return teach(self, images, product=product).recipe

    def inspect(self, image: ImageLike, recipe: Recipe) -> Verdict:
        """Return the verdict on one picture.

        Raises:
            EncoderMismatchError: the recipe belongs to another encoder.
            InputError: the picture cannot be used.
        """
        return inspect(self, image, recipe)

    def encode(self, images: PictureU8) -> Features:
        """Return the features of (B, S, S, 3) uint8 RGB pictures."""
        with torch.inference_mode():
            patches, image = self.encoder(self._tensor(images))
        return Features(patches=patches.cpu().numpy(), image=image.cpu().numpy())

    def match(self, patches: FloatArray, bank: FloatArray, bank_rho: FloatArray) -> FloatArray:
        """Return (B, T, P, D) residuals of (B, T, P, D) patches against a (T, N, D) bank."""
        with torch.inference_mode():
            residual = self.matcher(*map(self._tensor, (patches, bank, bank_rho)))
        out: FloatArray = residual.cpu().numpy()
        return out

    def heads(
        self,
        last_patches: FloatArray,
        residual: FloatArray,
        image_feature: FloatArray,
        bank_global_mean: FloatArray,
    ) -> BranchMaps:
        """Return the branch maps of (B, P, D) last-tap patches, residuals, (B, D) and (D,)."""
        inputs = (last_patches, residual, image_feature, bank_global_mean)
        with torch.inference_mode():
            maps, scores = self.branches(*map(self._tensor, inputs))
        return BranchMaps(maps=maps.cpu().numpy(), scores=scores.cpu().numpy())

    def _take_heads(self, heads: str | os.PathLike[str] | ResidualHeads | None) -> None:
        config = self.backbone.config
        self.residual_heads: ResidualHeads | None
        if isinstance(heads, (str, os.PathLike)):
            self.heads_name = Path(heads).name
            self.residual_heads = load_heads(heads, taps=config.taps, dim=config.embed_dim)
        else:
            self.heads_name = "none" if heads is None else "given"
            self.residual_heads = heads
        branches = Branches(config.taps, self._text_residual, self.residual_heads)
        self.branches = branches.to(self.device).eval()

    def _tensor(self, array: npt.NDArray[Any]) -> Tensor:
        # Pillow's arrays are read-only, which torch does not support: such are copied.
        return torch.from_numpy(np.require(array, requirements=["C", "W"])).to(self.device)

    def _heads_id(self) -> str:
        """Identity of everything behind the residual: text tower, prompts, adapters."""
        tensors = dict(self.backbone.text_weights)
        if self.residual_heads is not None:
            tensors |= {f"heads.{k}": v for k, v in self.residual_heads.state_dict().items()}
        return tensors_digest(tensors, (*TEMPLATES, *NORMAL_PHRASES, *ANOMALOUS_PHRASES))
