"""The encoder's layers, found in its graph: products with a weight and a bias.

The projection into the joint space has no bias and is no layer: its outputs are the features whose
small differences are the method's residuals, it is 0.7 % of ViT-L's work, and it stays float.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import onnx

from res2clip_runtime.errors import ParityError

__all__ = ["Layer", "block_outputs", "constants", "consumers", "find_layers"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One matrix product by a weight, and the bias after it."""

    name: str
    """Such as ``resblocks.3.mlp.c_fc``."""
    block: int
    """0-based block it belongs to."""
    node: str
    """Name of its MatMul."""
    input: str
    """Tensor that comes in."""
    weight: str
    """Initializer (in, out)."""
    output: str
    """Tensor after the bias."""


def find_layers(graph: onnx.GraphProto) -> tuple[Layer, ...]:
    """Return the layers in the graph's order.

    Raises:
        ParityError: there is none; the graph is no encoder of ours.
    """
    known, readers = constants(graph), consumers(graph)
    found: list[Layer] = []
    block = 0
    for node in graph.node:
        if node.op_type != "MatMul" or node.input[1] not in known:
            continue
        for add in readers.get(node.output[0], ()):
            biases = [name for name in add.input if name in known]
            if add.op_type != "Add" or not biases:
                continue
            name, block = _named(biases[0], node.name, block)
            taken = {layer.name for layer in found}
            # The V-V stream uses the block's output projection a second time.
            found.append(
                Layer(
                    name=f"{name} (V-V)" if name in taken else name,
                    block=block,
                    node=node.name,
                    input=node.input[0],
                    weight=node.input[1],
                    output=add.output[0],
                )
            )
    if not found:
        raise ParityError("the encoder's graph holds no layers; this is a defect of the exporter")
    return tuple(found)


def block_outputs(graph: onnx.GraphProto) -> tuple[str, ...]:
    """Return the sums of the residual streams, in order: additions of two computed tensors."""
    known = constants(graph)
    return tuple(
        node.output[0]
        for node in graph.node
        if node.op_type == "Add" and not known.intersection(node.input)
    )


def constants(graph: onnx.GraphProto) -> set[str]:
    """Return the names of the graph's initializers."""
    return {initializer.name for initializer in graph.initializer}


def consumers(graph: onnx.GraphProto) -> dict[str, list[onnx.NodeProto]]:
    """Return the nodes that read each tensor."""
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    return readers


def _named(bias: str, node: str, block: int) -> tuple[str, int]:
    """Return the layer's name and block, from its bias as PyTorch called it."""
    if match := re.search(r"resblocks\.(\d+)\.(.+?)[._]bias$", bias):
        return f"resblocks.{match[1]}.{match[2]}", int(match[1])
    return f"resblocks.{block}.{node}", block
