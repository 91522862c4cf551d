"""Rules every exported graph keeps, so that TensorRT's parser takes it (architecture.md)."""

from __future__ import annotations

from pathlib import Path

import onnx

from res2clip_export.parser_rules import parser_problems
from res2clip_runtime.errors import ParityError

__all__ = ["MAX_IR_VERSION", "OPSET", "check_rules"]

OPSET = 18
MAX_IR_VERSION = 10
FORBIDDEN = frozenset({"TopK", "Sort", "CumSum"})
"""Operators that TensorRT limits, to 3840 elements or to constant axes; ours need none of them."""


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
    problems = _version_problems(model) + _forbidden_operators(model)
    problems += parser_problems(model, path.parent)
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


def _forbidden_operators(model: onnx.ModelProto) -> list[str]:
    return [f"operator {node.op_type}" for node in model.graph.node if node.op_type in FORBIDDEN]
