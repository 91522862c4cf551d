"""Writes ``tests/runtime/data/tiny_bundle``: a random two-layer CLIP, exported.

    python tests/make_tiny_bundle.py

The runtime's tests use it in an environment without torch, so it is checked in.  Run this again
after a change of the bundle's format or of the graphs.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch
from drawn_parts import draw_part
from safetensors.torch import save_file

import res2clip
from res2clip_export import export_bundle

TARGET = Path(__file__).parent / "runtime" / "data" / "tiny_bundle"
WIDTH, DEPTH, PATCH, GRID, EMBED = 64, 2, 8, 6, 32
TEXT_WIDTH, CONTEXT, VOCABULARY = 64, 77, 49408


def tiny_clip() -> dict[str, torch.Tensor]:
    """Return random weights of a CLIP in OpenAI's layout."""
    generator = torch.Generator().manual_seed(0)

    def random(*shape: int, scale: float) -> torch.Tensor:
        return torch.randn(*shape, generator=generator) * scale

    def tower(prefix: str, width: int) -> dict[str, torch.Tensor]:
        tensors = {}
        for block in range(DEPTH):
            name = f"{prefix}resblocks.{block}."
            for part, (rows, columns) in {
                "attn.in_proj_": (3 * width, width),
                "attn.out_proj.": (width, width),
                "mlp.c_fc.": (4 * width, width),
                "mlp.c_proj.": (width, 4 * width),
            }.items():
                tensors[f"{name}{part}weight"] = random(rows, columns, scale=columns**-0.5)
                tensors[f"{name}{part}bias"] = torch.zeros(rows)
            for norm in ("ln_1", "ln_2"):
                tensors[f"{name}{norm}.weight"] = torch.ones(width)
                tensors[f"{name}{norm}.bias"] = torch.zeros(width)
        return tensors

    def norm(name: str, width: int) -> dict[str, torch.Tensor]:
        return {f"{name}.weight": torch.ones(width), f"{name}.bias": torch.zeros(width)}

    return {
        "visual.conv1.weight": random(WIDTH, 3, PATCH, PATCH, scale=(3 * PATCH**2) ** -0.5),
        "visual.class_embedding": random(WIDTH, scale=0.1),
        "visual.positional_embedding": random(GRID**2 + 1, WIDTH, scale=0.05),
        "visual.proj": random(WIDTH, EMBED, scale=WIDTH**-0.5),
        **norm("visual.ln_pre", WIDTH),
        **norm("visual.ln_post", WIDTH),
        **tower("visual.transformer.", WIDTH),
        "token_embedding.weight": random(VOCABULARY, TEXT_WIDTH, scale=0.02),
        "positional_embedding": random(CONTEXT, TEXT_WIDTH, scale=0.02),
        "text_projection": random(TEXT_WIDTH, EMBED, scale=TEXT_WIDTH**-0.5),
        "logit_scale": torch.tensor(4.6),
        **norm("ln_final", TEXT_WIDTH),
        **tower("transformer.", TEXT_WIDTH),
    }


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "tiny.safetensors"
        save_file(tiny_clip(), weights)
        model = res2clip.Res2CLIP(res2clip.load_backbone(weights))
    parts = [draw_part(seed, scratched=seed > 3) for seed in range(6)]
    export_bundle(model, TARGET, pictures=parts)


if __name__ == "__main__":
    main()
