"""A stage's graph with some of its inputs made constants, so that nobody has to send them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from res2clip_runtime.errors import ArtefactError

__all__ = ["bake", "take_last_tap"]


def bake(model: onnx.ModelProto, constants: Mapping[str, npt.NDArray[np.float32]]) -> None:
    """Turn the inputs named in ``constants`` into weights of these values, in place.

    Raises:
        ArtefactError: the graph has no such input, or one of another shape.
    """
    graph = model.graph
    for name, value in constants.items():
        entry = _input(graph, name)
        sizes = [d.dim_value for d in entry.type.tensor_type.shape.dim]  # 0 where it is free
        free = [size or got for size, got in zip(sizes, value.shape, strict=False)]
        if len(sizes) != value.ndim or tuple(free) != value.shape:
            raise ArtefactError(f"'{name}' is {value.shape}, the graph takes {sizes}")
        graph.input.remove(entry)
        graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
    # Sizes in between were noted while these inputs' were free.
    del graph.value_info[:]


def take_last_tap(model: onnx.ModelProto, patches: onnx.ValueInfoProto) -> None:
    """Let the heads' graph take all ``patches`` (B, T, P, D) instead of ``last_patches``."""
    graph = model.graph
    _input(graph, "last_patches").CopyFrom(patches)
    graph.initializer.append(numpy_helper.from_array(np.array(-1, dtype=np.int64), "last_tap"))
    # (B, T, P, D) -> (B, P, D)
    select = helper.make_node("Gather", ["patches", "last_tap"], ["last_patches"], axis=1)
    graph.node.insert(0, select)


def _input(graph: onnx.GraphProto, name: str) -> onnx.ValueInfoProto:
    for entry in graph.input:
        if entry.name == name:
            return entry
    raise ArtefactError(f"the graph has no input '{name}'; export the bundle again")
