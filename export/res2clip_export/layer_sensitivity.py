"""Which layers stay float in int8: found by measurement, in a bounded number of encoder runs.

One run of the fp32 graph, with a quantised shadow beside every layer, gives each layer's own error.
Then ever more of the worst layers stay float until the features are near enough; at most six runs
on two pictures in all, however deep the tower.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import onnx
from onnx import helper

from res2clip_export.encoder_layers import Layer
from res2clip_export.graph_run import run_graph
from res2clip_export.int8_graph import quantised
from res2clip_runtime.parity.comparison import Comparison, compare
from res2clip_runtime.preprocess import PictureU8
from res2clip_runtime.stages import Features

__all__ = [
    "SEARCH_PICTURES",
    "TARGET_COSINE",
    "choose_int8_layers",
    "own_errors",
    "search_comparisons",
]

TARGET_COSINE = 0.999
"""Wanted between int8 and fp32 features on the calibration pictures; the gate's limit is lower."""
FLOAT_SHARES = (0, 1 / 16, 1 / 8, 1 / 4, 1 / 2)
"""Shares of the layers that are tried as float, the most sensitive first."""
SEARCH_PICTURES = 2
_FEATURES = ("patches", "image_feature")

Progress = Callable[[str], None]


def choose_int8_layers(
    model: onnx.ModelProto,
    layers: Sequence[Layer],
    ranges: Mapping[str, float],
    squares: Sequence[PictureU8],
    *,
    progress: Progress,
) -> tuple[onnx.ModelProto, dict[str, float], dict[str, float]]:
    """Return the quantised encoder, the float layers' own errors, and each feature's cosine.

    Errors are relative, by layer; cosines are by ``patches`` and ``image_feature``.

    Args:
        model: the encoder in fp32; stays as it is.
        layers: all that may be quantised.
        ranges: the largest absolute value of every layer's input.
        squares: calibration pictures, of which a few are used.
        progress: told what is being tried.
    """
    progress("measuring each layer's int8 error")
    errors = own_errors(model, layers, ranges, squares[:SEARCH_PICTURES])
    worst_first = sorted(layers, key=lambda layer: -errors[layer.name])
    wanted = _features(model, squares)
    for share in FLOAT_SHARES:
        kept = worst_first[: math.ceil(share * len(layers))]
        lowered = quantised(model, [layer for layer in layers if layer not in kept], ranges)
        found = search_comparisons(wanted, lowered, squares)
        cosines = {one.output: one.cosine for one in found}
        progress(f"{len(kept)} of {len(layers)} layers float: cosine {cosines['patches']:.5f}")
        if cosines["patches"] >= TARGET_COSINE:
            break
    return lowered, {layer.name: errors[layer.name] for layer in kept}, cosines


def search_comparisons(
    wanted: Features, lowered: onnx.ModelProto, squares: Sequence[PictureU8]
) -> list[Comparison]:
    """Return how far ``lowered``, on ONNX Runtime, is from ``wanted`` on the search's pictures.

    Args:
        wanted: fp32's features of the first ``SEARCH_PICTURES`` of ``squares``.
        lowered: the encoder.
        squares: calibration pictures.
    """
    got = _features(lowered, squares)
    pairs = zip(_FEATURES, (wanted.patches, wanted.image), (got.patches, got.image), strict=True)
    return [compare("encoder", name, "calibration", a, b) for name, a, b in pairs]


def own_errors(
    model: onnx.ModelProto,
    layers: Sequence[Layer],
    ranges: Mapping[str, float],
    squares: Sequence[PictureU8],
) -> dict[str, float]:
    """Return |int8(x) - fp32(x)| / |fp32(x)| of every layer, for fp32 inputs x."""
    shadowed = quantised(model, layers, ranges)
    graph = shadowed.graph
    plain = {node.name: node for node in model.graph.node}
    present = {weight.name for weight in graph.initializer}
    graph.initializer.extend(w for w in model.graph.initializer if w.name not in present)
    extra: list[onnx.NodeProto] = []
    for index, layer in enumerate(layers):
        (node,) = (n for n in graph.node if n.name == layer.node)
        result, shadow = node.output[0], f"shadow_{index}"
        extra += [
            helper.make_node("MatMul", list(node.input), [shadow], name=shadow),
            helper.make_node("Sub", [shadow, result], [f"{shadow}_error"]),
            helper.make_node("ReduceSumSquare", [f"{shadow}_error"], [f"e{index}"], keepdims=0),
            helper.make_node("ReduceSumSquare", [result], [f"s{index}"], keepdims=0),
        ]
        node.input[:] = plain[layer.node].input
    names = [f"{kind}{index}" for kind in "es" for index in range(len(layers))]
    sums = np.sum(
        [np.ravel(one) for one in run_graph(shadowed, names, squares, extra_nodes=extra)],
        axis=0,
        dtype=np.float64,
    )
    error, signal = sums.reshape(2, -1)
    relative = np.sqrt(error / np.maximum(signal, 1e-30))
    return {layer.name: float(one) for layer, one in zip(layers, relative, strict=True)}


def _features(model: onnx.ModelProto, squares: Sequence[PictureU8]) -> Features:
    found = list(run_graph(model, _FEATURES, squares[:SEARCH_PICTURES]))
    return Features(*(np.concatenate(parts) for parts in zip(*found, strict=True)))
