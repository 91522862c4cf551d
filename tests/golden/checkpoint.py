"""Deterministic CLIP and head weights: described by a seed and sizes, so none need be stored.

Every tensor is drawn from NumPy's legacy RandomState, which is stable across versions, in the order
in which it is listed here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

Tensors = dict[str, np.ndarray]


@dataclass(frozen=True)
class Sizes:
    """The defaults are the golden checkpoint's."""

    embed_dim: int = 768
    image_size: int = 56
    vision_layers: int = 24
    vision_width: int = 64
    patch_size: int = 14
    context_length: int = 77
    vocab_size: int = 49408
    text_width: int = 64
    text_layers: int = 2


TINY = Sizes(embed_dim=48, image_size=32, vision_layers=3, patch_size=8)
"""A real CLIP in miniature: nothing of it has the golden checkpoint's depth, grid or width D."""

VIT_L_14_336 = Sizes(image_size=336, vision_width=1024, text_width=768, text_layers=12)
"""The shapes of OpenAI's ViT-L/14@336px."""


def clip_tensors(seed: int, sizes: Sizes = Sizes()) -> Tensors:
    rng = np.random.RandomState(seed)
    return {name: _draw(rng, name, shape) for name, shape in _clip_shapes(sizes)}


def head_tensors(
    seed: int, taps: tuple[int, ...] = (6, 12, 18, 24), dim: int = 768
) -> dict[str, Tensors]:
    """All matrices are non-zero, so that every path contributes."""
    rng = np.random.RandomState(seed)
    groups: dict[str, Tensors] = {
        name: {
            key: value
            for tap in taps
            for key, value in _head_group(rng, _local_shapes(dim), f"{tap}.").items()
        }
        for name in ("vis_adapters", "res_vis_local_adapters")
    }
    for name in ("res_vis_global_adapter", "res_text_adapter", "text_adapter"):
        groups[name] = _head_group(rng, _global_shapes(dim), "")
    return groups


def save_clip(path: Path, seed: int, sizes: Sizes = Sizes()) -> Path:
    save_file({k: torch.from_numpy(v) for k, v in clip_tensors(seed, sizes).items()}, path)
    return path


def save_half_state_dict(path: Path, seed: int, sizes: Sizes) -> Path:
    """Like OpenAI's files: a pickled state dict in fp16. For sizes that take a while to draw."""
    rng = np.random.default_rng(seed)
    shapes = _clip_shapes(sizes)
    torch.save({name: torch.from_numpy(_draw(rng, name, s)).half() for name, s in shapes}, path)
    return path


def save_heads(path: Path, seed: int, *, taps: tuple[int, ...], dim: int) -> Path:
    groups = head_tensors(seed, taps, dim)
    torch.save(
        {g: {k: torch.from_numpy(v) for k, v in group.items()} for g, group in groups.items()}, path
    )
    return path


def _clip_shapes(s: Sizes) -> list[tuple[str, tuple[int, ...]]]:
    width, grid = s.vision_width, s.image_size // s.patch_size
    return [
        ("visual.conv1.weight", (width, 3, s.patch_size, s.patch_size)),
        ("visual.class_embedding", (width,)),
        ("visual.positional_embedding", (grid * grid + 1, width)),
        ("visual.ln_pre.weight", (width,)),
        ("visual.ln_pre.bias", (width,)),
        *_blocks("visual.transformer", width, s.vision_layers),
        ("visual.ln_post.weight", (width,)),
        ("visual.ln_post.bias", (width,)),
        ("visual.proj", (width, s.embed_dim)),
        ("token_embedding.weight", (s.vocab_size, s.text_width)),
        ("positional_embedding", (s.context_length, s.text_width)),
        *_blocks("transformer", s.text_width, s.text_layers),
        ("ln_final.weight", (s.text_width,)),
        ("ln_final.bias", (s.text_width,)),
        ("text_projection", (s.text_width, s.embed_dim)),
        ("logit_scale", ()),
    ]


def _blocks(prefix: str, width: int, layers: int) -> list[tuple[str, tuple[int, ...]]]:
    block = [
        ("ln_1.weight", (width,)),
        ("ln_1.bias", (width,)),
        ("attn.in_proj_weight", (3 * width, width)),
        ("attn.in_proj_bias", (3 * width,)),
        ("attn.out_proj.weight", (width, width)),
        ("attn.out_proj.bias", (width,)),
        ("ln_2.weight", (width,)),
        ("ln_2.bias", (width,)),
        ("mlp.c_fc.weight", (4 * width, width)),
        ("mlp.c_fc.bias", (4 * width,)),
        ("mlp.c_proj.weight", (width, 4 * width)),
        ("mlp.c_proj.bias", (width,)),
    ]
    return [
        (f"{prefix}.resblocks.{i}.{name}", shape) for i in range(layers) for name, shape in block
    ]


def _draw(
    rng: np.random.RandomState | np.random.Generator, name: str, shape: tuple[int, ...]
) -> np.ndarray:
    mean, std = _distribution(name, shape)
    noise = rng.standard_normal(shape) if shape else 0.0
    return np.asarray(mean + std * noise, dtype=np.float32)


def _distribution(name: str, shape: tuple[int, ...]) -> tuple[float, float]:
    if name == "logit_scale":
        return float(np.log(1 / 0.07)), 0.0
    if "ln_" in name:
        return (1.0, 0.1) if name.endswith("weight") else (0.0, 0.1)
    if name.endswith("bias"):
        return 0.0, 0.02
    if "embedding" in name:
        return 0.0, 0.5
    if name == "visual.conv1.weight":
        return 0.0, float(np.prod(shape[1:])) ** -0.5
    fan_in = shape[0] if name in ("visual.proj", "text_projection") else shape[1]
    return 0.0, fan_in**-0.5


def _local_shapes(dim: int) -> list[tuple[str, tuple[int, ...]]]:
    narrow = dim // 4
    return [
        ("norm.weight", (dim,)),
        ("norm.bias", (dim,)),
        ("down.weight", (narrow, dim)),
        ("conv_fine.weight", (narrow, 1, 3, 3)),
        ("conv_coarse.weight", (narrow, 1, 3, 3)),
        ("internal_norm.weight", (3 * narrow,)),
        ("internal_norm.bias", (3 * narrow,)),
        ("blend.weight", (narrow, 3 * narrow)),
        ("up.weight", (dim, narrow)),
    ]


def _global_shapes(dim: int) -> list[tuple[str, tuple[int, ...]]]:
    narrow = dim // 4
    return [
        ("norm.weight", (dim,)),
        ("norm.bias", (dim,)),
        ("fc1.weight", (narrow, dim)),
        ("fc2.weight", (dim, narrow)),
    ]


def _head_group(
    rng: np.random.RandomState, shapes: list[tuple[str, tuple[int, ...]]], prefix: str
) -> Tensors:
    return {prefix + name: _draw_head(rng, name, shape) for name, shape in shapes}


def _draw_head(rng: np.random.RandomState, name: str, shape: tuple[int, ...]) -> np.ndarray:
    if "norm" in name:
        mean, std = (1.0, 0.1) if name.endswith("weight") else (0.0, 0.1)
    elif name.startswith("conv"):
        mean, std = 0.0, 1 / 3
    elif name.startswith(("up", "fc2")):
        mean, std = 0.0, 0.05 * shape[1] ** -0.5
    else:
        mean, std = 0.0, shape[1] ** -0.5
    return (mean + std * rng.standard_normal(shape)).astype(np.float32)
