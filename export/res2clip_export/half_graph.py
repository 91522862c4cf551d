"""The encoder's layers and attention in fp16 or bf16, everything else in fp32.

Between the output of a LayerNorm and the addition to the residual stream everything is lowered,
softmax included: TensorRT fuses an attention whose q, k and v are 16-bit, and computes its softmax
in fp32 inside.  The residual streams, LayerNorms, projection and normalisation stay fp32, with a
Cast at every border, because strongly typed engines refuse mixed arithmetic.
onnxconverter-common does this for fp16 alone; here both types take one path.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from res2clip_export.encoder_layers import constants, consumers, find_layers

__all__ = ["HALF_TYPES", "half_nodes", "half_tensors", "lower_to_half"]

HALF_TYPES = {"fp16": torch.float16, "bf16": torch.bfloat16}
_ONNX_TYPES = {"fp16": TensorProto.FLOAT16, "bf16": TensorProto.BFLOAT16}

_MOVING = frozenset(
    ("Reshape", "Transpose", "Split", "Slice", "Gather", "Unsqueeze", "Squeeze", "Expand")
)
"""Operators that only move their first input; the others are indices and sizes."""
_COMPUTING = frozenset(("MatMul", "Mul", "Sigmoid", "Softmax", "Erf", "Tanh", "Div", "Concat"))


def half_nodes(graph: onnx.GraphProto) -> set[str]:
    """Return the names of the nodes to lower: the layers and what lies between them."""
    readers, known = consumers(graph), constants(graph)
    nodes = {node.name: node for node in graph.node}
    waiting = [layer.node for layer in find_layers(graph)]
    found: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        for output in nodes[name].output:
            waiting += [r.name for r in readers.get(output, ()) if _belongs(r, output, known)]
    return found


def half_tensors(node: onnx.NodeProto) -> tuple[str, ...]:
    """Return the inputs and outputs of a node to lower that carry its arithmetic."""
    inputs = node.input[:1] if node.op_type in _MOVING else node.input
    return (*inputs, *node.output)


def lower_to_half(model: onnx.ModelProto, nodes: Collection[str], precision: str) -> None:
    """Lower the named nodes in place, and put Casts at the borders."""
    graph = model.graph
    weights = {initializer.name: initializer for initializer in graph.initializer}
    lowered = {out for node in graph.node if node.name in nodes for out in node.output}
    outputs = {value.name for value in graph.output}
    half: dict[str, str] = {}  # fp32 tensor -> its half copy
    full: dict[str, str] = {}  # half tensor -> its fp32 copy
    ordered: list[onnx.NodeProto] = []
    for node in graph.node:
        if node.name in nodes:
            inside = set(half_tensors(node)) - set(node.output) - lowered
            for name in sorted(inside - set(half)):
                half[name] = f"{name}_{precision}"
                if name in weights:
                    graph.initializer.append(_half_copy(weights[name], half[name], precision))
                else:
                    ordered.append(_cast(name, half[name], _ONNX_TYPES[precision]))
            _rewire(node, {name: half[name] for name in inside})
        else:
            for name in sorted((set(node.input) & lowered) - set(full)):
                full[name] = f"{name}_fp32"
                ordered.append(_cast(name, full[name], TensorProto.FLOAT))
            _rewire(node, full)
        ordered.append(node)
    assert not outputs & lowered, "the graph's outputs are features, which stay fp32"
    _replace_nodes(graph, ordered)


def _belongs(node: onnx.NodeProto, tensor: str, known: set[str]) -> bool:
    if node.op_type in _MOVING:
        return node.input[0] == tensor
    # An addition of two computed tensors is the residual stream's.
    bias = node.op_type == "Add" and bool(known.intersection(node.input))
    return bias or node.op_type in _COMPUTING


def _cast(source: str, target: str, to: int) -> onnx.NodeProto:
    return helper.make_node("Cast", [source], [target], name=f"cast_{target}", to=to)


def _half_copy(weight: onnx.TensorProto, name: str, precision: str) -> onnx.TensorProto:
    values = torch.from_numpy(np.array(numpy_helper.to_array(weight)))
    # NumPy knows no bfloat16: the bits go through int16.
    bits = values.to(HALF_TYPES[precision]).view(torch.int16).numpy()
    return helper.make_tensor(
        name, _ONNX_TYPES[precision], list(weight.dims), bits.tobytes(), raw=True
    )


def _rewire(node: onnx.NodeProto, names: dict[str, str]) -> None:
    for index, name in enumerate(node.input):
        node.input[index] = names.get(name, name)


def _replace_nodes(graph: onnx.GraphProto, nodes: list[onnx.NodeProto]) -> None:
    """Put ``nodes`` in place, and drop the weights and types that nothing reads any more."""
    kept = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(kept)
    used = {name for node in kept for name in node.input}
    for index in reversed(range(len(graph.initializer))):
        if graph.initializer[index].name not in used:
            del graph.initializer[index]
    del graph.value_info[:]
