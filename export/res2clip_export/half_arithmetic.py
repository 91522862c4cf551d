"""The PyTorch tower in true 16-bit arithmetic.

CPU engines compute fp16 graphs in fp32 and would hide an overflow or a loss; PyTorch's autocast
rounds every product, logit and activation, and keeps LayerNorm and the residual stream in fp32, as
the exported graph does.  What stays float in the graph stays float here, by PyTorch's modules.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from res2clip.model import Res2CLIP
from res2clip_export.half_graph import HALF_TYPES
from res2clip_runtime.parity.comparison import Comparison, compare
from res2clip_runtime.preprocess import PictureU8

__all__ = ["compare_half_arithmetic"]

HALF_PICTURES = 2
"""16-bit products are slow on most CPUs."""


_MODULE = re.compile(r"resblocks\.\d+\.(?:attn|mlp\.c_fc|mlp\.c_proj)")


def compare_half_arithmetic(
    model: Res2CLIP,
    squares: Sequence[PictureU8],
    *,
    precision: str,
    kind: str,
    kept_float: Collection[str] = (),
) -> list[Comparison]:
    """Return how far PyTorch's encoder in fp16 or bf16 is from itself in fp32.

    Args:
        model: the encoder.
        squares: (S, S, 3) uint8 pictures, of which the last few are used.
        precision: fp16 or bf16.
        kind: of the pictures.
        kept_float: layers that are not lowered, such as ``resblocks.1.mlp.c_fc``.
    """
    batch = np.stack(squares[-HALF_PICTURES:])
    want = model.encode(batch)
    kind_of_device, half = model.device.type, HALF_TYPES[precision]
    with ExitStack() as stack:
        for module, lowered in _modes(model.encoder.tower.transformer, kept_float):
            stack.enter_context(_running_in(module, kind_of_device, half, lowered=lowered))
        stack.enter_context(torch.inference_mode())
        stack.enter_context(torch.autocast(kind_of_device, half))
        patches, image = model.encoder(torch.from_numpy(batch).to(model.device))
    where = f"(PyTorch, {precision} arithmetic)"
    return [
        compare("encoder", f"patches {where}", kind, want.patches, patches.float().cpu().numpy()),
        compare("encoder", f"image_feature {where}", kind, want.image, image.float().cpu().numpy()),
    ]


def _modes(transformer: nn.Module, kept_float: Collection[str]) -> list[tuple[nn.Module, bool]]:
    """Return the modules that differ from their surroundings, and whether each is lowered.

    The products between ``in_proj`` and ``out_proj`` belong to no layer of their own: an attention
    of which anything stayed float runs in fp32, but for an ``out_proj`` that was lowered.  What
    follows ``c_fc`` takes its type.
    """
    kept = {name.removesuffix(" (V-V)") for name in kept_float}
    modes = {}
    for name in sorted(kept):
        found = _MODULE.match(name)
        # A layer that PyTorch has no name for: its whole block.
        modes[found[0] if found else ".".join(name.split(".")[:2])] = False
    for name in [name for name in modes if name.endswith(".attn")]:
        if f"{name}.out_proj" not in kept:
            modes[f"{name}.out_proj"] = True
    return [(transformer.get_submodule(name), lowered) for name, lowered in modes.items()]


@contextmanager
def _running_in(
    module: nn.Module, device_type: str, half: torch.dtype, *, lowered: bool
) -> Iterator[None]:
    """Let ``module`` run in ``half`` or in fp32, whatever is around it."""
    forward = module.forward

    def run(*inputs: Tensor, **options: Any) -> Any:
        # One object a call: it holds the state that it found.
        with torch.autocast(device_type, half, enabled=lowered):
            return forward(*(tensor.float() for tensor in inputs), **options)

    module.forward = run
    try:
        yield
    finally:
        del module.forward
