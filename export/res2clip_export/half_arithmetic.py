"""The PyTorch tower in true 16-bit arithmetic.

CPU engines compute fp16 graphs in fp32 and would hide an overflow or a loss; PyTorch's autocast
rounds every product, logit and activation, and keeps LayerNorm and the residual stream in fp32, as
the exported graph does.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from res2clip.model import Res2CLIP
from res2clip_export.half_graph import HALF_TYPES
from res2clip_runtime.parity.comparison import Comparison, compare
from res2clip_runtime.preprocess import PictureU8

__all__ = ["compare_half_arithmetic"]

HALF_PICTURES = 2
"""16-bit products are slow on most CPUs."""


def compare_half_arithmetic(
    model: Res2CLIP, squares: Sequence[PictureU8], *, precision: str, kind: str
) -> list[Comparison]:
    """Return how far PyTorch's encoder in fp16 or bf16 is from itself in fp32."""
    batch = np.stack(squares[-HALF_PICTURES:])
    want = model.encode(batch)
    with torch.inference_mode(), torch.autocast(model.device.type, HALF_TYPES[precision]):
        patches, image = model.encoder(torch.from_numpy(batch).to(model.device))
    where = f"(PyTorch, {precision} arithmetic)"
    return [
        compare("encoder", f"patches {where}", kind, want.patches, patches.float().cpu().numpy()),
        compare("encoder", f"image_feature {where}", kind, want.image, image.float().cpu().numpy()),
    ]
