"""Writing the trained towers as ``mini.safetensors``: fp16, OpenAI's layout."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save_file

from res2clip.mini.architecture import NATIVE_SIZE_PX
from res2clip.mini.learner import Learner

__all__ = ["save_towers"]


def save_towers(learner: Learner, file: Path, *, steps: int, seed: int) -> None:
    """Write both towers to ``file`` as fp16 tensors with the metadata that loading needs."""
    tensors = {name: t.to(torch.float16).contiguous() for name, t in learner.towers().items()}
    config = learner.visual.config
    about = {
        "name": "res2clip-mini",
        "format_version": 1,
        "layout": "openai",
        "quick_gelu": True,
        "native_size_px": NATIVE_SIZE_PX,
        "vision_heads": config.heads,
        "text_heads": 1,
        "steps": steps,
        "seed": seed,
        "license": "Apache-2.0",
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, file, metadata={"res2clip": json.dumps(about, sort_keys=True)})
