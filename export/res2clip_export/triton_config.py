"""``config.pbtxt``: what Triton Inference Server is told of a model.

The fields are those of ``model_config.proto`` (tritonclient carries it); tests read every file back
with that schema.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import onnx

__all__ = ["Step", "ensemble_config", "model_config"]

QUEUE_DELAY_US = 2000
"""How long the encoder waits for more pictures to fill a batch."""

_TYPES: dict[int, str] = {onnx.TensorProto.FLOAT: "TYPE_FP32", onnx.TensorProto.UINT8: "TYPE_UINT8"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One model of an ensemble; tensors go by their own names through the whole chain."""

    model: str
    """Name of the model."""
    graph: onnx.GraphProto
    """What it runs."""


class _Word(str):
    """A value that is written without quotes."""

    __slots__ = ()


def model_config(
    name: str, graph: onnx.GraphProto, *, max_batch_size: int, gather: bool = False
) -> str:
    """Return the text for a graph that ONNX Runtime runs.

    Args:
        name: of the model.
        graph: its inputs and outputs begin with the batch's axis.
        max_batch_size: pictures in a batch.
        gather: whether single requests are gathered into batches.
    """
    fields: dict[str, Any] = {
        "name": name,
        "backend": "onnxruntime",
        "max_batch_size": max_batch_size,
        "input": [_tensor(entry) for entry in graph.input],
        "output": [_tensor(entry) for entry in graph.output],
    }
    if gather:
        fields["dynamic_batching"] = {"max_queue_delay_microseconds": QUEUE_DELAY_US}
    return _text(fields)


def ensemble_config(
    name: str, steps: Sequence[Step], *, max_batch_size: int, parameters: Mapping[str, str]
) -> str:
    """Return the text for the chain of ``steps``: the first one's inputs, the last one's outputs.

    Args:
        name: of the ensemble.
        steps: in the order they run.
        max_batch_size: pictures in a request.
        parameters: told to every client that asks for the configuration.
    """
    fields = {
        "name": name,
        "platform": "ensemble",
        "max_batch_size": max_batch_size,
        "input": [_tensor(entry) for entry in steps[0].graph.input],
        "output": [_tensor(entry) for entry in steps[-1].graph.output],
        "ensemble_scheduling": {"step": [_step(step) for step in steps]},
        "parameters": [
            {"key": key, "value": {"string_value": value}} for key, value in parameters.items()
        ],
    }
    return _text(fields)


def _step(step: Step) -> dict[str, Any]:
    return {
        "model_name": step.model,
        "model_version": -1,  # the newest
        "input_map": [{"key": e.name, "value": e.name} for e in step.graph.input],
        "output_map": [{"key": e.name, "value": e.name} for e in step.graph.output],
    }


def _tensor(entry: onnx.ValueInfoProto) -> dict[str, Any]:
    tensor = entry.type.tensor_type
    sizes = [dimension.dim_value for dimension in tensor.shape.dim]
    return {
        "name": entry.name,
        "data_type": _Word(_TYPES[tensor.elem_type]),
        "dims": sizes[1:],  # Triton adds the batch's axis itself
    }


def _text(fields: Mapping[str, Any], indent: str = "") -> str:
    """Return a message in protobuf's text format."""
    lines = []
    for key, value in fields.items():
        many = isinstance(value, list) and not all(isinstance(v, int) for v in value)
        for single in value if many else [value]:
            if isinstance(single, Mapping):
                lines.append(f"{indent}{key} {{\n{_text(single, indent + '  ')}{indent}}}\n")
            else:
                lines.append(f"{indent}{key}: {_scalar(single)}\n")
    return "".join(lines)


def _scalar(value: Any) -> str:
    if isinstance(value, str) and not isinstance(value, _Word):
        return json.dumps(value, ensure_ascii=False)
    return str(value)
