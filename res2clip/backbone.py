"""The frozen CLIP vision tower with its V-V stream (method.md, section 2).

A plain CLIP ViT looks at an image globally; the second, value-value stream that runs beside its
last blocks keeps patch features local, which is what residuals need.  open_clip's tower has no such
stream, so this one is ours; with ``vv_depth=0`` and open_clip's own last steps it equals theirs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from res2clip_runtime.errors import InputError

__all__ = ["VisionConfig", "VisionFeatures", "VisionTower", "quarter_taps"]


def quarter_taps(depth: int) -> tuple[int, ...]:
    """Tapped blocks, 1-based, at the quarters of ``depth`` (6, 12, 18, 24 for ViT-L)."""
    return tuple(dict.fromkeys(math.ceil(i * depth / 4) for i in range(1, 5)))


@dataclass(frozen=True, slots=True, kw_only=True)
class VisionConfig:
    """Sizes of a vision tower and where its features are tapped."""

    width: int
    """Channels of the residual stream."""
    depth: int
    """Number of transformer blocks."""
    heads: int
    """Attention heads; must divide ``width``."""
    patch_size: int
    """Side of a square patch, in pixels."""
    embed_dim: int
    """Width D of the joint image-text space."""
    native_size_px: int
    """Side of the pictures the checkpoint's positional embedding was made for."""
    image_size_px: int
    """Side S of the pictures that are inspected; a multiple of ``patch_size``."""
    quick_gelu: bool = True
    """Whether the MLPs use x * sigmoid(1.702 x), as OpenAI's weights do."""
    taps: tuple[int, ...] = ()
    """Blocks whose patch features are used, 1-based, rising, ending anywhere up to ``depth``."""
    vv_depth: int = -1
    """Number of last blocks with a V-V stream; -1: from the first tap on."""

    def __post_init__(self) -> None:
        if not self.taps:
            object.__setattr__(self, "taps", quarter_taps(self.depth))
        if self.vv_depth < 0:
            object.__setattr__(self, "vv_depth", self.depth - self.taps[0] + 1)
        if self.width % self.heads:
            raise InputError(f"heads={self.heads} does not divide width={self.width}")
        if self.image_size_px % self.patch_size or self.image_size_px < self.patch_size:
            low = max(1, self.image_size_px // self.patch_size) * self.patch_size
            raise InputError(
                f"image_size={self.image_size_px} px (--image-size) is not a multiple of the "
                f"patch size {self.patch_size} px; use {low} or {low + self.patch_size}"
            )
        rising = list(self.taps) == sorted(set(self.taps))
        if not rising or self.taps[0] < 1 or self.taps[-1] > self.depth:
            raise InputError(
                f"taps={self.taps} must rise strictly within 1..{self.depth}, the tower's depth"
            )
        if self.vv_depth > self.depth:
            raise InputError(f"vv_depth={self.vv_depth} exceeds the tower's depth {self.depth}")

    @property
    def grid(self) -> int:
        """Patches along one side of an inspected picture."""
        return self.image_size_px // self.patch_size

    @property
    def patches(self) -> int:
        """P, the number of patches of an inspected picture."""
        return self.grid**2


@dataclass(frozen=True, slots=True)
class VisionFeatures:
    """What the tower says about a batch of pictures."""

    patches: Tensor
    """(B, T, P, D) patch features of every tap, unit length."""
    image: Tensor
    """(B, D) global feature, unit length; projected without ``ln_post``."""


class QuickGELU(nn.Module):
    """x * sigmoid(1.702 x), the activation OpenAI's CLIP was trained with."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the activation of ``x``, same shape."""
        return x * torch.sigmoid(1.702 * x)


class _Attention(nn.Module):
    """Multi-head self-attention; parameters named as in ``torch.nn.MultiheadAttention``."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)
        nn.init.normal_(self.in_proj_weight, std=width**-0.5)

    def forward(
        self, x: Tensor, *, vv: bool, class_only: bool = False
    ) -> tuple[Tensor, Tensor | None]:
        """Return (plain attention, V-V attention or None) of (B, N, width) tokens, same shape.

        With ``class_only`` the plain attention is the class token's, (B, 1, width).
        """
        qkv = F.linear(x, self.in_proj_weight, self.in_proj_bias)
        # (B, N, 3 * width) -> three of (B, heads, N, width / heads)
        q, k, v = (
            part.unflatten(2, (self.heads, -1)).transpose(1, 2) for part in qkv.chunk(3, dim=2)
        )

        def attend(query: Tensor, key: Tensor) -> Tensor:
            mixed = F.scaled_dot_product_attention(query, key, v)
            joined: Tensor = self.out_proj(mixed.transpose(1, 2).flatten(2))
            return joined

        plain = attend(q[:, :, :1] if class_only else q, k)
        return plain, attend(v, v) if vv else None


class _Mlp(nn.Module):
    def __init__(self, width: int, *, quick_gelu: bool) -> None:
        super().__init__()
        self.c_fc = nn.Linear(width, 4 * width)
        self.gelu = QuickGELU() if quick_gelu else nn.GELU()
        self.c_proj = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.c_proj(self.gelu(self.c_fc(x)))
        return out


class _Block(nn.Module):
    """A pre-norm transformer block; its V-V attention is handed out, never fed back into x."""

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(config.width)
        self.attn = _Attention(config.width, config.heads)
        self.ln_2 = nn.LayerNorm(config.width)
        self.mlp = _Mlp(config.width, quick_gelu=config.quick_gelu)

    def forward(
        self, x: Tensor, *, vv: bool, class_only: bool = False
    ) -> tuple[Tensor, Tensor | None]:
        plain, local = self.attn(self.ln_1(x), vv=vv, class_only=class_only)
        x = (x[:, :1] if class_only else x) + plain
        return x + self.mlp(self.ln_2(x)), local


class _Transformer(nn.Module):
    """A list of blocks; exists so that parameter names match OpenAI's layout."""

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        self.resblocks = nn.ModuleList(_Block(config) for _ in range(config.depth))


class VisionTower(nn.Module):
    """CLIP's ViT with a V-V stream beside its last ``config.vv_depth`` blocks."""

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        self.config = config
        native_grid = config.native_size_px // config.patch_size
        size, scale = config.patch_size, config.width**-0.5
        self.conv1 = nn.Conv2d(3, config.width, size, stride=size, bias=False)
        self.class_embedding = nn.Parameter(scale * torch.randn(config.width))
        self.positional_embedding = nn.Parameter(
            scale * torch.randn(native_grid**2 + 1, config.width)
        )
        self.ln_pre = nn.LayerNorm(config.width)
        self.transformer = _Transformer(config)
        self.ln_post = nn.LayerNorm(config.width)
        self.proj = nn.Parameter(scale * torch.randn(config.width, config.embed_dim))

    def forward(self, image: Tensor) -> VisionFeatures:
        """Return the unit-length patch and global features of normalised pictures.

        Args:
            image: (B, 3, H, W) float, CLIP-normalised; H and W multiples of the patch size.
        """
        tapped, class_token = self.streams(image)
        patches = torch.stack([self.project_patches(y) for y in tapped], dim=1)
        # No ln_post on the class token: the method's own choice (method.md, section 2).
        return VisionFeatures(patches=patches, image=_unit(class_token @ self.proj))

    def project_patches(self, tokens: Tensor) -> Tensor:
        """Return (B, P, D) unit patch features of (B, 1 + P, width) tokens of one tap."""
        return _unit(self.ln_post(tokens[:, 1:]) @ self.proj)

    def streams(self, image: Tensor) -> tuple[list[Tensor], Tensor]:
        """Return every tap's tokens, (B, 1 + P, width), and the plain stream's class token.

        What nobody reads is not computed: no V-V stream after the last tap, and in the last block
        the plain stream of the class token alone, unless its patches are tapped.
        """
        x = self.embed(image)
        y: Tensor | None = None
        tapped = []
        depth, last_tap = self.config.depth, self.config.taps[-1]
        first_vv = depth - self.config.vv_depth + 1
        for index, block in enumerate(self.transformer.resblocks, start=1):
            before, vv = x, first_vv <= index <= last_tap
            x, local = block(x, vv=vv, class_only=index == depth and (vv or index > last_tap))
            if local is not None:
                # The stream starts from x before its first block, and has no MLP.
                y = (before if y is None else y) + local
            if index in self.config.taps:
                tapped.append(x if y is None else y)
        return tapped, x[:, 0]

    def embed(self, image: Tensor) -> Tensor:
        """Return (B, 1 + P, width) tokens after ``ln_pre``, the class token first."""
        patches = self.conv1(image)  # (B, width, GH, GW)
        positions = self.positions((patches.shape[2], patches.shape[3])).to(patches.dtype)
        # A zero row in front takes the class token together with its position, which spares the
        # exported graph an Expand to the batch size.
        tokens = F.pad(patches.flatten(2).transpose(1, 2), (0, 0, 1, 0))  # (B, 1 + P, width)
        class_token = F.pad(self.class_embedding[None], (0, 0, 0, positions.shape[0] - 1))
        out: Tensor = self.ln_pre(tokens + (positions + class_token))
        return out

    def positions(self, grid: tuple[int, int]) -> Tensor:
        """Return the (1 + P, width) positional embedding of a grid of patches.

        The class part is kept, the patch part resized bilinearly where the grid differs.
        """
        table = self.positional_embedding
        native = math.isqrt(table.shape[0] - 1)
        if grid == (native, native):
            return table
        square = table[1:].reshape(1, native, native, -1).permute(0, 3, 1, 2)
        resized = F.interpolate(square, size=grid, mode="bilinear", align_corners=False)
        return torch.cat([table[:1], resized.flatten(2)[0].T])


def _unit(x: Tensor) -> Tensor:
    """Return ``x`` with unit length over its last axis.

    Like ``F.normalize``, which exports an Expand that writes the norms out at full size.
    """
    return x / torch.linalg.vector_norm(x, dim=-1, keepdim=True).clamp_min(1e-12)
