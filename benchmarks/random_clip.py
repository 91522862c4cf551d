"""A CLIP of any size with random weights, exported: times are those of a trained one."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from res2clip_runtime import Bundle
from res2clip_runtime.benchmark.frames import seeded_frames

if TYPE_CHECKING:
    import torch

    import res2clip

__all__ = ["ClipShape", "bundle_of", "random_model"]

PATCH, CONTEXT, VOCABULARY, NARROW = 14, 77, 49408, 64


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipShape:
    width: int = 1024
    blocks: int = 24
    embed: int = 768
    size_px: int = 518


def random_model(shape: ClipShape) -> res2clip.Res2CLIP:
    """Return the training-free method on random weights of this shape, always the same ones."""
    from safetensors.torch import save_file

    import res2clip

    with tempfile.TemporaryDirectory() as place:
        weights = Path(place) / "random.safetensors"
        save_file(random_clip(shape), weights)
        return res2clip.Res2CLIP(res2clip.load_backbone(weights, image_size=shape.size_px))


def bundle_of(model: res2clip.Res2CLIP, folder: Path, precision: str = "fp32") -> Bundle:
    """Return the bundle in ``folder``, exported through the parity gate if it is not there."""
    from res2clip_export import export_bundle

    if not (folder / "manifest.json").exists():
        print(f"exporting {precision} to {folder}")
        export_bundle(
            model,
            folder,
            precision,
            pictures=seeded_frames(4, width=640, height=480),
            progress=lambda what: print(f"  {what}", flush=True),
        )
    return Bundle.load(folder)


def random_clip(shape: ClipShape) -> dict[str, torch.Tensor]:
    """Return random weights of a CLIP in OpenAI's layout; its text tower is one narrow block."""
    import torch

    generator = torch.Generator().manual_seed(0)
    width, embed = shape.width, shape.embed

    def random(*sizes: int) -> torch.Tensor:
        return torch.randn(*sizes, generator=generator) * sizes[-1] ** -0.5

    def norm(name: str, size: int) -> dict[str, torch.Tensor]:
        return {f"{name}.weight": torch.ones(size), f"{name}.bias": torch.zeros(size)}

    def tower(prefix: str, size: int, depth: int) -> dict[str, torch.Tensor]:
        tensors: dict[str, torch.Tensor] = {}
        for block in range(depth):
            name = f"{prefix}resblocks.{block}."
            tensors[f"{name}attn.in_proj_weight"] = random(3 * size, size)
            tensors[f"{name}attn.in_proj_bias"] = torch.zeros(3 * size)
            for part, (out, into) in {
                "attn.out_proj": (size, size),
                "mlp.c_fc": (4 * size, size),
                "mlp.c_proj": (size, 4 * size),
            }.items():
                tensors[f"{name}{part}.weight"] = random(out, into)
                tensors[f"{name}{part}.bias"] = torch.zeros(out)
            tensors |= {**norm(f"{name}ln_1", size), **norm(f"{name}ln_2", size)}
        return tensors

    return {
        "visual.conv1.weight": random(width, 3, PATCH, PATCH),
        "visual.class_embedding": random(width),
        "visual.positional_embedding": random(24**2 + 1, width),
        "visual.proj": random(width, embed),
        **norm("visual.ln_pre", width),
        **norm("visual.ln_post", width),
        **tower("visual.transformer.", width, shape.blocks),
        "token_embedding.weight": random(VOCABULARY, NARROW),
        "positional_embedding": random(CONTEXT, NARROW),
        "text_projection": random(NARROW, embed),
        "logit_scale": torch.tensor(4.6),
        **norm("ln_final", NARROW),
        **tower("transformer.", NARROW, 1),
    }
