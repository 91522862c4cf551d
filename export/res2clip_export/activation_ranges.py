"""The largest absolute value of every tensor that is to be lowered, measured in fp32.

Taken from the graph rather than from PyTorch's modules, because an attention's logits, too, must
fit into fp16, and no module hands them out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import onnx
from onnx import helper, numpy_helper

from res2clip_export.encoder_layers import constants
from res2clip_export.graph_run import run_graph
from res2clip_export.half_graph import half_tensors
from res2clip_runtime.preprocess import PictureU8

__all__ = ["FP16_LIMIT", "activation_ranges", "overflowing_nodes"]

FP16_LIMIT = 65504 / 8
"""Largest value let into fp16, which ends at 65504: other pictures may reach further than ours."""


def activation_ranges(
    model: onnx.ModelProto, tensors: Iterable[str], squares: Sequence[PictureU8]
) -> dict[str, float]:
    """Return the largest absolute value of each tensor over the pictures."""
    names = sorted(set(tensors) - constants(model.graph))
    nodes = [
        node
        for name in names
        for node in (
            helper.make_node("Abs", [name], [f"{name}_abs"], name=f"{name}_abs"),
            helper.make_node("ReduceMax", [f"{name}_abs"], [f"{name}_max"], keepdims=0),
        )
    ]
    largest = np.zeros(len(names))
    for found in run_graph(model, [f"{n}_max" for n in names], squares, extra_nodes=nodes):
        # A NaN must stay: np.maximum hands it on.
        largest = np.maximum(largest, [float(value) for value in found])
    return dict(zip(names, largest.tolist(), strict=True))


def overflowing_nodes(
    graph: onnx.GraphProto, nodes: Iterable[str], ranges: Mapping[str, float]
) -> dict[str, float]:
    """Return the nodes of ``nodes`` that fp16 cannot hold, with the largest value they touch."""
    weights = {weight.name: weight for weight in graph.initializer}

    def largest(name: str) -> float:
        if name in weights:
            return float(np.abs(numpy_helper.to_array(weights[name])).max(initial=0.0))
        return ranges[name]

    chosen = set(nodes)
    peaks = {
        node.name: max(largest(name) for name in half_tensors(node))
        for node in graph.node
        if node.name in chosen
    }
    # "Not below" also catches a NaN.
    return {name: peak for name, peak in peaks.items() if not peak < FP16_LIMIT}
