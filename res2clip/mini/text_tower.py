"""CLIP's text tower, trainable, with OpenAI's parameter names."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from res2clip.mini.architecture import TextConfig

__all__ = ["TextTower"]


class _TextBlock(nn.Module):
    """A pre-norm causal transformer block."""

    def __init__(self, config: TextConfig) -> None:
        super().__init__()
        width = config.width
        self.ln_1 = nn.LayerNorm(width)
        self.attn = nn.MultiheadAttention(width, config.heads, batch_first=True)
        self.ln_2 = nn.LayerNorm(width)
        self.mlp = nn.ModuleDict(
            {"c_fc": nn.Linear(width, 4 * width), "c_proj": nn.Linear(4 * width, width)}
        )

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        h = self.ln_1(x)
        x = x + self.attn(h, h, h, need_weights=False, attn_mask=mask)[0]
        h = self.mlp["c_fc"](self.ln_2(x))
        out: Tensor = x + self.mlp["c_proj"](h * torch.sigmoid(1.702 * h))  # QuickGELU
        return out


class _TextTransformer(nn.Module):
    """A list of blocks; exists so that parameter names match OpenAI's layout."""

    def __init__(self, config: TextConfig) -> None:
        super().__init__()
        self.resblocks = nn.ModuleList(_TextBlock(config) for _ in range(config.depth))


class TextTower(nn.Module):
    """Prompts as tokens in, unit-length embeddings out."""

    def __init__(self, config: TextConfig) -> None:
        super().__init__()
        self.token_embedding = nn.Embedding(config.vocabulary, config.width)
        self.positional_embedding = nn.Parameter(0.01 * torch.randn(config.context, config.width))
        self.transformer = _TextTransformer(config)
        self.ln_final = nn.LayerNorm(config.width)
        self.text_projection = nn.Parameter(
            config.width**-0.5 * torch.randn(config.width, config.embed_dim)
        )
        nn.init.normal_(self.token_embedding.weight, std=0.02)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return (K, D) unit embeddings of (K, L) int64 tokens, read at the end-of-text token.

        Attention is causal, so columns after the longest prompt change nothing and are cut off.
        """
        ends = tokens.argmax(dim=-1)  # end-of-text has the highest token number
        tokens = tokens[:, : int(ends.max()) + 1]
        length = tokens.shape[1]
        x = self.token_embedding(tokens) + self.positional_embedding[:length]
        mask = torch.full((length, length), float("-inf")).triu(1)
        for block in self.transformer.resblocks:
            x = block(x, mask)
        x = self.ln_final(x)[torch.arange(len(tokens)), ends]  # (K, width)
        return F.normalize(x @ self.text_projection, dim=-1)
