"""CLIP's text tower, through open_clip; used once, when a model is built."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from res2clip_runtime.errors import ArtefactError, MissingExtraError

__all__ = ["TextConfig", "TextTower"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TextConfig:
    """Sizes of a text tower."""

    embed_dim: int
    """D, width of the joint space."""
    width: int
    """Channels."""
    depth: int
    """Blocks."""
    heads: int
    """Attention heads."""
    context_length: int
    """Tokens in a prompt."""
    vocab_size: int
    """Known tokens."""
    quick_gelu: bool
    """Activation, as in the vision tower."""


class TextTower:
    """Turns prompts into unit vectors."""

    def __init__(self, config: TextConfig, weights: dict[str, Tensor]) -> None:
        """Build the tower in fp32.

        open_clip's own builder for OpenAI checkpoints rounds the weights to fp16 on its way, so the
        tensors are loaded into its tower directly.

        Raises:
            MissingExtraError: open_clip is not installed.
            ArtefactError: the tensors do not fit.
        """
        try:
            from open_clip import SimpleTokenizer
            from open_clip.transformer import QuickGELU, TextTransformer
        except ImportError as err:
            raise MissingExtraError(
                "open_clip_torch", extra="train", purpose="computing the text residual"
            ) from err
        self._tower: Any = TextTransformer(
            context_length=config.context_length,
            vocab_size=config.vocab_size,
            width=config.width,
            heads=config.heads,
            layers=config.depth,
            output_dim=config.embed_dim,
            act_layer=QuickGELU if config.quick_gelu else torch.nn.GELU,
        )
        try:
            self._tower.load_state_dict(weights, strict=True, assign=True)
        except RuntimeError as err:
            raise ArtefactError(
                f"the text tower's weights do not fit: {str(err).splitlines()[-1].strip()}"
            ) from err
        self._tower.eval().requires_grad_(False)
        self._tokenizer = SimpleTokenizer(context_length=config.context_length)

    def encode(self, prompts: Sequence[str]) -> Tensor:
        """Return (K, D) unit vectors of K prompts."""
        with torch.no_grad():
            return F.normalize(self._tower(self._tokenizer(list(prompts))), dim=-1)
