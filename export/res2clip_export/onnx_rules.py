"""Rules every exported graph keeps, so that TensorRT's parser takes it (architecture.md)."""

from __future__ import annotations

from pathlib import Path

import onnx

from res2clip_runtime.errors import ParityError

__all__ = ["MAX_IR_VERSION", "OPSET", "check_rules"]

OPSET = 18
MAX_IR_VERSION = 10
FORBIDDEN = frozenset({"TopK", "Sort", "CumSum", "NonZero", "Unique"})
"""Operators TensorRT refuses, or limits to 3840 elements."""


def check_rules(path: Path) -> None:
    """Check one graph: valid with full shape inference, standard operators only, our opset.

    Raises:
        ParityError: a rule is broken (a defect of the exporter, not of the user).
    """
    try:
        onnx.checker.check_model(str(path), full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as err:
        raise ParityError(f"{path.name} is not a valid ONNX model: {err}") from err
    model = onnx.load(str(path), load_external_data=False)
    problems = _version_problems(model) + _operator_problems(model)
    if problems:
        raise ParityError(
            f"{path.name} breaks the rules for exported graphs: {'; '.join(problems)}"
        )


def _version_problems(model: onnx.ModelProto) -> list[str]:
    problems = []
    if model.ir_version > MAX_IR_VERSION:
        problems.append(f"IR version {model.ir_version}, at most {MAX_IR_VERSION}")
    problems += [
        f"operator set '{entry.domain or 'ai.onnx'}' {entry.version}"
        for entry in model.opset_import
        if entry.domain not in ("", "ai.onnx") or entry.version != OPSET
    ]
    if model.functions:
        problems.append("it has local functions")
    return problems


def _operator_problems(model: onnx.ModelProto) -> list[str]:
    problems = [
        f"operator {node.op_type}" for node in model.graph.node if node.op_type in FORBIDDEN
    ]
    bytes_in = {
        i.name for i in model.graph.input if i.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    }
    problems += [
        f"{node.op_type} is the first operator on a uint8 input, must be Cast"
        for node in model.graph.node
        if bytes_in & set(node.input) and node.op_type != "Cast"
    ]
    problems += [
        "Resize with antialias"
        for node in model.graph.node
        if node.op_type == "Resize" and any(a.name == "antialias" and a.i for a in node.attribute)
    ]
    return problems
