"""What TensorRT's ONNX parser and builder refuse, told without them.

Seen with TensorRT for RTX 1.7 (``tests/gpu/test_onnx_check.py`` holds these rules to it).  They may
refuse more than TensorRT does, never less.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import onnx
from onnx import TensorProto

__all__ = ["MAX_TOPK", "parser_problems"]

MAX_TOPK = 3840
"""Largest K of TopK; a larger one is read and then refused by the builder."""
_UNSUPPORTED = frozenset(
    {
        "Compress", "Det", "MaxRoiPool", "MaxUnpool", "Multinomial", "NonZero", "Optional",
        "RandomNormal", "SequenceAt", "SequenceConstruct", "SequenceInsert", "SplitToSequence",
        "StringNormalizer", "TfIdfVectorizer", "Unique",
    }
)  # fmt: skip
"""Operators with no counterpart, or with one in a plugin only."""
_QUANTISERS = ("QuantizeLinear", "DequantizeLinear")
_FREELY_TYPED = (*_QUANTISERS, "Cast", "CastLike", "Shape", "Resize", "Constant", "ConstantOfShape")
"""Operators whose inputs need not agree in their type."""
_FLOATS = {
    TensorProto.FLOAT: "float32",
    TensorProto.FLOAT16: "float16",
    TensorProto.BFLOAT16: "bfloat16",
    TensorProto.DOUBLE: "float64",
}


def parser_problems(model: onnx.ModelProto, folder: Path) -> list[str]:
    """Return why TensorRT would refuse a model, each reason once; empty: it would not.

    Args:
        model: the graph; its weights may lie beside it.
        folder: where they lie.
    """
    graph = _Graph(model, folder)
    found = [*_foreign_operators(model)]
    for node in model.graph.node:
        found += _operator_problems(node, graph)
    return list(dict.fromkeys(found))


class _Graph:
    """Types and constants by name."""

    def __init__(self, model: onnx.ModelProto, folder: Path) -> None:
        self._folder = folder
        try:
            inferred = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
        except (onnx.shape_inference.InferenceError, ValueError):
            inferred = model.graph  # over 2 GB, or types that contradict each other
        values = (*inferred.input, *inferred.value_info, *inferred.output)
        self.types = {value.name: value.type.tensor_type.elem_type for value in values}
        self.types |= {tensor.name: tensor.data_type for tensor in model.graph.initializer}
        self.constants = {tensor.name: tensor for tensor in model.graph.initializer}
        self.inputs = {value.name for value in model.graph.input} - set(self.constants)
        for node in model.graph.node:
            for attribute in node.attribute if node.op_type == "Constant" else ():
                if attribute.name == "value":
                    self.constants[node.output[0]] = attribute.t
                    self.types[node.output[0]] = attribute.t.data_type

    def values_of(self, name: str) -> list[float] | None:
        """Return a constant's values; None if it is none."""
        tensor = self.constants.get(name)
        if tensor is None:
            return None
        values = onnx.numpy_helper.to_array(tensor, str(self._folder))
        return [float(value) for value in values.reshape(-1)]


def _foreign_operators(model: onnx.ModelProto) -> Iterator[str]:
    for node in model.graph.node:
        if node.domain not in ("", "ai.onnx"):
            yield f"operator {node.op_type} of the domain '{node.domain}' needs a plugin"


def _operator_problems(node: onnx.NodeProto, graph: _Graph) -> list[str]:
    kind, found = node.op_type, []
    if kind in _UNSUPPORTED or kind.startswith("Sequence"):
        found.append(f"operator {kind} is not supported")
    if kind == "Resize" and _attribute(node, "antialias"):
        found.append("Resize with antialias is not supported")
    if kind == "TopK":
        found += _topk_problems(node, graph)
    if kind in _QUANTISERS:
        found += _quantiser_problems(node, graph)
    given = [name for name in node.input if name in graph.inputs]
    if kind != "Cast" and any(graph.types.get(name) == TensorProto.UINT8 for name in given):
        found.append(f"{kind} is the first operator on a uint8 input, must be Cast")
    kinds = {_FLOATS[t] for name in node.input if (t := graph.types.get(name, 0)) in _FLOATS}
    if len(kinds) > 1 and kind not in _FREELY_TYPED:
        found.append(f"{kind} mixes {' and '.join(sorted(kinds))}; cast explicitly")
    return found


def _topk_problems(node: onnx.NodeProto, graph: _Graph) -> list[str]:
    values = graph.values_of(node.input[1])
    if values is None:
        return [f"TopK with a K that is not constant; at most {MAX_TOPK} is supported"]
    if values[0] > MAX_TOPK:
        return [f"TopK with K = {values[0]:.0f}, at most {MAX_TOPK} is supported"]
    return []


def _quantiser_problems(node: onnx.NodeProto, graph: _Graph) -> list[str]:
    if len(node.input) < 3:  # without a zero point QuantizeLinear writes uint8
        unsigned = node.op_type == "QuantizeLinear"
        return [f"{node.op_type} without a zero point writes uint8"] if unsigned else []
    zero = graph.values_of(node.input[2])
    if graph.types.get(node.input[2]) == TensorProto.UINT8 or zero is None or any(zero):
        return [f"{node.op_type} is not symmetric: int8 with zero point 0 is supported"]
    return []


def _attribute(node: onnx.NodeProto, name: str) -> int:
    return next((int(a.i) for a in node.attribute if a.name == name), 0)
