"""In which layer the error of a lowered encoder enters.

Both graphs run side by side; first the sums of the residual streams are compared, then the layers
between the first bad sum and the sums before it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx

from res2clip_export.encoder_layers import Layer, block_outputs, find_layers
from res2clip_export.graph_run import run_graph
from res2clip_runtime.preprocess import PictureU8

__all__ = ["ErrorEntry", "find_error_entry"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorEntry:
    """A layer, and the relative errors around it."""

    layer: str
    """Its name, such as ``resblocks.3.mlp.c_fc``."""
    before: float
    """|lowered - fp32| / |fp32| of its input."""
    after: float
    """The same of its output."""

    def __str__(self) -> str:
        return (
            f"the error enters in layer '{self.layer}' (relative error {self.before:.1e} before "
            f"it, {self.after:.1e} after it)"
        )


def find_error_entry(
    reference: onnx.ModelProto, lowered: onnx.ModelProto, square: PictureU8
) -> ErrorEntry:
    """Return where ``lowered`` leaves ``reference``, both encoders, on one (S, S, 3) picture."""
    graph = reference.graph
    sums = block_outputs(graph)
    producers = {out: node for node in graph.node for out in node.output}
    layers = {layer.node: layer for layer in find_layers(graph)}
    errors = _relative_errors(reference, lowered, sums, square)
    between = {name: _between(name, set(sums), producers) for name in sums}
    rises = {
        name: errors[name] - max((errors[s] for s in before), default=0.0)
        for name, (before, _) in between.items()
        if any(node in layers for node in between[name][1])
    }
    suspects = [layers[node] for node in between[_first(rises)][1] if node in layers]
    return _worst_layer(reference, lowered, suspects, square)


def _worst_layer(
    reference: onnx.ModelProto,
    lowered: onnx.ModelProto,
    suspects: Sequence[Layer],
    square: PictureU8,
) -> ErrorEntry:
    tensors = sorted({name for layer in suspects for name in (layer.input, layer.output)})
    errors = _relative_errors(reference, lowered, tensors, square)
    order = [layer for layer in find_layers(reference.graph) if layer in suspects]
    name = _first({layer.name: errors[layer.output] - errors[layer.input] for layer in order})
    (layer,) = (layer for layer in order if layer.name == name)
    return ErrorEntry(layer=name, before=errors[layer.input], after=errors[layer.output])


def _first(rises: Mapping[str, float]) -> str:
    """Return the first whose error rises at least half as much as the largest rise.

    What comes after a damaged layer can multiply its error, but only what comes after.
    """
    largest = max(rises.values())
    return next(name for name, rise in rises.items() if rise >= largest / 2)


def _between(
    start: str, sums: set[str], producers: Mapping[str, onnx.NodeProto]
) -> tuple[set[str], set[str]]:
    """Return the sums that ``start`` is made from directly, and the nodes on the way."""
    before: set[str] = set()
    nodes: set[str] = set()
    waiting = list(producers[start].input)
    while waiting:
        name = waiting.pop()
        if name in sums:
            before.add(name)
        elif name in producers and producers[name].name not in nodes:
            nodes.add(producers[name].name)
            waiting += producers[name].input
    return before, nodes


def _relative_errors(
    reference: onnx.ModelProto,
    lowered: onnx.ModelProto,
    tensors: Sequence[str],
    square: PictureU8,
) -> dict[str, float]:
    (want,), (got,) = (list(run_graph(m, tensors, [square])) for m in (reference, lowered))
    errors = {}
    for name, a, b in zip(tensors, want, got, strict=True):
        error = float(np.linalg.norm(a - b) / max(float(np.linalg.norm(a)), 1e-30))
        errors[name] = error if np.isfinite(error) else 1e30
    return errors
