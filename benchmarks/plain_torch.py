"""The method as one writes it down first, in eager PyTorch: what our paths are compared with.

Attention by separate products and softmax, both streams in every block, a dense matrix of
similarities with its penalty, a full sort for the sparsemax.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from res2clip.encoder import Encoder
from res2clip_runtime.stages import grid_rho

__all__ = ["plain_encode", "plain_match"]


def plain_encode(encoder: Encoder, image_u8: Tensor) -> tuple[Tensor, Tensor]:
    """Return patches (B, T, P, D) and global features (B, D) of (B, S, S, 3) uint8 pictures."""
    tower, config = encoder.tower, encoder.tower.config
    x = tower.embed(encoder.normalise(image_u8))
    y, tapped = None, []
    for index, block in enumerate(tower.transformer.resblocks, start=1):
        normed = block.ln_1(x)
        q, k, v = F.linear(normed, block.attn.in_proj_weight, block.attn.in_proj_bias).chunk(3, -1)
        if index > config.depth - config.vv_depth:
            y = (x if y is None else y) + _attention(block, v, v, v, config.heads)
        x = x + _attention(block, q, k, v, config.heads)
        x = x + block.mlp(block.ln_2(x))
        if index in config.taps:
            tapped.append(x if y is None else y)
    patches = [F.normalize(tower.ln_post(tokens[:, 1:]) @ tower.proj, dim=-1) for tokens in tapped]
    return torch.stack(patches, dim=1), F.normalize(x[:, 0] @ tower.proj, dim=-1)


def _attention(block: torch.nn.Module, q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:
    q, k, v = (part.unflatten(2, (heads, -1)).transpose(1, 2) for part in (q, k, v))
    weights = torch.softmax(q @ k.transpose(2, 3) / q.shape[-1] ** 0.5, dim=-1)
    return block.attn.out_proj((weights @ v).transpose(1, 2).flatten(2))


def plain_match(patches: Tensor, bank: Tensor, rho: Tensor, *, gamma: float) -> Tensor:
    """Return the (T, P, D) residuals of (T, P, D) patches against a (T, N, D) bank, rho (N,)."""
    own = torch.from_numpy(grid_rho(int(patches.shape[1] ** 0.5)))

    def match_tap(query: Tensor, references: Tensor) -> Tensor:
        scores = query @ references.T - gamma * (own[:, None] - rho[None]).abs()
        ordered = scores.sort(dim=-1, descending=True).values
        excess = ordered.cumsum(dim=-1) - 1
        rank = torch.arange(1, scores.shape[-1] + 1, dtype=scores.dtype)
        support = (rank * ordered > excess).sum(dim=-1, keepdim=True)
        tau = excess.gather(-1, support - 1) / support
        return query - F.normalize((scores - tau).clamp(min=0) @ references, dim=-1)

    return torch.stack([match_tap(*pair) for pair in zip(patches, bank, strict=True)])
