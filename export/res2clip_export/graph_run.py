"""An encoder graph run once on ONNX Runtime, with tensors from its inside as outputs."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from res2clip_export.onnx_file import save_onnx
from res2clip_runtime.backends.onnx_session import open_session
from res2clip_runtime.preprocess import PictureU8

__all__ = ["run_graph"]

FloatArray = npt.NDArray[np.float32]


def run_graph(
    model: onnx.ModelProto,
    tensors: Sequence[str],
    squares: Sequence[PictureU8],
    *,
    extra_nodes: Sequence[onnx.NodeProto] = (),
) -> Iterator[list[FloatArray]]:
    """Yield, picture by picture, the named tensors of an encoder's graph as float32.

    bf16, which ONNX Runtime's CPU lacks, is computed in fp32 with the rounded weights.

    Args:
        model: stays as it is.
        tensors: of ``model`` or made by ``extra_nodes``.
        squares: (S, S, 3) uint8 pictures.
        extra_nodes: appended to the graph.
    """
    wanted = _with_outputs(model, tensors, extra_nodes)
    with tempfile.TemporaryDirectory(prefix="res2clip-") as folder:
        path = Path(folder) / "graph.onnx"
        save_onnx(wanted, path)
        name = wanted.graph.input[0].name
        del wanted
        session = open_session(str(path))
        for square in squares:
            found: list[Any] = session.run(list(tensors), {name: square[None]})
            yield [np.asarray(value, dtype=np.float32) for value in found]


def _with_outputs(
    model: onnx.ModelProto, tensors: Sequence[str], extra_nodes: Sequence[onnx.NodeProto]
) -> onnx.ModelProto:
    wanted = onnx.ModelProto()
    wanted.CopyFrom(model)
    wanted.graph.node.extend(extra_nodes)
    _without_bf16(wanted.graph)
    del wanted.graph.output[:]
    # Without a type ONNX Runtime infers it: the tensor may be fp16.
    wanted.graph.output.extend(onnx.ValueInfoProto(name=name) for name in tensors)
    return wanted


def _without_bf16(graph: onnx.GraphProto) -> None:
    for weight in graph.initializer:
        if weight.data_type == TensorProto.BFLOAT16:
            values = numpy_helper.to_array(weight).astype(np.float32)
            weight.CopyFrom(numpy_helper.from_array(values, weight.name))
    for node in graph.node:
        for attribute in node.attribute:
            if node.op_type == "Cast" and attribute.i == TensorProto.BFLOAT16:
                attribute.CopyFrom(helper.make_attribute("to", TensorProto.FLOAT))
