"""One traced stage -> one ONNX file."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import numpy as np
import onnx
import torch

from res2clip_export.onnx_file import save_onnx
from res2clip_export.onnx_rules import MAX_IR_VERSION, OPSET, check_rules
from res2clip_export.plain_attention import ATTENTION_RULE
from res2clip_export.stages import ExportStage

__all__ = ["write_onnx"]


def write_onnx(stage: ExportStage, path: Path) -> list[Path]:
    """Write the stage to ``path`` and return the files made (the graph, and its data if large).

    Raises:
        ParityError: the graph breaks a rule for exported graphs.
    """
    program = _traced(stage)
    proto = program.model_proto
    proto.ir_version = min(proto.ir_version, MAX_IR_VERSION)
    _name_free_axes(proto, stage)
    _cast_bytes_first(proto)
    _turn_weights(proto.graph)
    del proto.metadata_props[:]
    for node in proto.graph.node:
        # The exporter notes the source lines of this machine in every node.
        del node.metadata_props[:]
        node.doc_string = ""
    files = save_onnx(proto, path)
    check_rules(path)
    return files


def _traced(stage: ExportStage) -> torch.onnx.ONNXProgram:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecations inside torch's own exporter
        level = logging.getLogger("torch.onnx").level
        program = torch.onnx.export(
            stage.module,
            stage.example,
            dynamo=True,
            opset_version=OPSET,
            input_names=[entry.name for entry in stage.inputs],
            output_names=[entry.name for entry in stage.outputs],
            dynamic_shapes=stage.dynamic_axes,
            custom_translation_table=ATTENTION_RULE,
            verbose=False,
        )
        logging.getLogger("torch.onnx").setLevel(level)
    assert program is not None
    return program


def _name_free_axes(proto: onnx.ModelProto, stage: ExportStage) -> None:
    """Give inputs and outputs the sizes of the manifest; they are part of the interface."""
    entries = {entry.name: entry for entry in (*stage.inputs, *stage.outputs)}
    for value in (*proto.graph.input, *proto.graph.output):
        shape = value.type.tensor_type.shape
        for dimension, size in zip(shape.dim, entries[value.name].shape, strict=True):
            if isinstance(size, str):
                dimension.dim_param = size
            else:
                dimension.dim_value = size


def _cast_bytes_first(proto: onnx.ModelProto) -> None:
    """Let a uint8 input feed one Cast and nothing else; the exporter also asks it for its shape.

    TensorRT takes a uint8 input only into a Cast, whose output has the same shape.
    """
    inputs = {
        value.name
        for value in proto.graph.input
        if value.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    }
    nodes = list(proto.graph.node)
    casts = [n for n in nodes if n.op_type == "Cast" and n.input[0] in inputs]
    outputs = {cast.input[0]: cast.output[0] for cast in casts}
    for node in nodes:
        if node.op_type == "Shape" and node.input[0] in outputs:
            node.input[0] = outputs[node.input[0]]
    ordered = [*casts, *(node for node in nodes if node not in casts)]
    del proto.graph.node[:]
    proto.graph.node.extend(ordered)


def _turn_weights(graph: onnx.GraphProto) -> None:
    """Transpose weights in the file.

    The exporter leaves that to the engine where two nodes share a weight, which then looks like a
    computed tensor.
    """
    weights = {weight.name: weight for weight in graph.initializer}
    turns = [n for n in graph.node if n.op_type == "Transpose" and n.input[0] in weights]
    for node in turns:
        weight = weights[node.input[0]]
        axes = next((list(a.ints) for a in node.attribute if a.name == "perm"), None)
        turned = onnx.numpy_helper.to_array(weight).transpose(axes)
        graph.initializer.append(
            onnx.numpy_helper.from_array(np.ascontiguousarray(turned), node.output[0])
        )
        graph.node.remove(node)
        if not any(weight.name in other.input for other in graph.node):
            graph.initializer.remove(weight)
