"""Attention as the graphs hold it: two matrix products and a softmax, nothing else.

The exporter's own form swaps the keys' axes through shapes computed at run time (nine operators an
attention) and scales queries and keys apart.  Engines know this form and fuse it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from onnxscript import opset18 as op

__all__ = ["ATTENTION_RULE"]


def _plain_attention(query: Any, key: Any, value: Any) -> Any:
    """Return softmax(q k^T / sqrt(d)) v of (B, heads, N, d) graph values."""
    scaled = op.Mul(query, op.Constant(value_float=query.shape[-1] ** -0.5))
    weights = op.Softmax(op.MatMul(scaled, op.Transpose(key, perm=[0, 1, 3, 2])), axis=-1)
    return op.MatMul(weights, value)


ATTENTION_RULE: dict[Callable[..., Any], Callable[..., Any]] = {
    torch.ops.aten.scaled_dot_product_attention.default: _plain_attention
}
"""For ``custom_translation_table`` of ``torch.onnx.export``."""
