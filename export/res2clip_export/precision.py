"""The encoder in another precision, and what of it stays float.

Only the encoder is lowered.  Match and heads see residuals, small differences of unit features,
and stay fp32, and so do the inputs and outputs of every stage: the runtime knows no other type.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import onnx

from res2clip_export.activation_ranges import FP16_LIMIT, activation_ranges, overflowing_nodes
from res2clip_export.encoder_layers import Layer, find_layers
from res2clip_export.half_graph import half_nodes, half_tensors, lower_to_half
from res2clip_export.layer_sensitivity import choose_int8_layers
from res2clip_runtime.errors import ParityError
from res2clip_runtime.preprocess import PictureU8

__all__ = ["Lowering", "lower_encoder"]

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lowering:
    """What was done to the encoder."""

    layers: int
    """All layers of the encoder."""
    kept_float: Mapping[str, str]
    """Layers that stay fp32, with the reason."""
    ranges: Mapping[str, Mapping[str, float]]
    """By layer: largest absolute ``input`` and ``output``, in fp32."""
    range_pictures: int
    """Pictures that these were measured on."""
    cosines: Mapping[str, float] = field(default_factory=dict)
    """int8: by feature, the cosine to fp32 on calibration pictures when the layers were chosen."""

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return {
            "layers": self.layers,
            "layers_float": dict(self.kept_float),
            "activation_ranges": {name: dict(values) for name, values in self.ranges.items()},
            "activation_range_pictures": self.range_pictures,
            "calibration_cosines": dict(self.cosines),
        }


def lower_encoder(
    model: onnx.ModelProto,
    precision: str,
    *,
    calibration: Sequence[PictureU8],
    others: Sequence[PictureU8],
    progress: Progress,
) -> tuple[onnx.ModelProto, Lowering]:
    """Return the encoder in ``precision`` and what was done; ``model`` stays as it is.

    Args:
        model: the encoder in fp32.
        precision: fp16, bf16, int8 or int8-bf16, whose graph is that of int8.
        calibration: good pictures whose ranges become the scales of int8.
        others: further pictures; fp16 must hold their activations, too.
        progress: told what is being done.

    Raises:
        ParityError: an activation is not finite even in fp32.
    """
    layers = find_layers(model.graph)
    nodes = half_nodes(model.graph)
    tensors = {name for layer in layers for name in (layer.input, layer.output)}
    to_int8 = precision.startswith("int8")
    pictures = calibration if to_int8 else (*calibration, *others)
    if precision == "fp16":
        inside = (half_tensors(node) for node in model.graph.node if node.name in nodes)
        tensors = tensors.union(*inside)
    progress(f"measuring activations on {len(pictures)} pictures")
    ranges = activation_ranges(model, tensors, pictures)
    _require_finite(layers, ranges)
    cosines: dict[str, float] = {}
    if to_int8:
        lowered, errors, cosines = choose_int8_layers(
            model, layers, ranges, calibration, progress=progress
        )
        kept = {name: f"sensitive: own int8 error {error:.1%}" for name, error in errors.items()}
    else:
        peaks = overflowing_nodes(model.graph, nodes, ranges) if precision == "fp16" else {}
        lowered = onnx.ModelProto()
        lowered.CopyFrom(model)
        lower_to_half(lowered, nodes - set(peaks), precision)
        kept = _overflow_reasons(model.graph, layers, peaks)
    return lowered, Lowering(
        layers=len(layers),
        kept_float=kept,
        ranges={
            layer.name: {"input": ranges[layer.input], "output": ranges[layer.output]}
            for layer in layers
        },
        range_pictures=len(pictures),
        cosines=cosines,
    )


def _require_finite(layers: Sequence[Layer], ranges: Mapping[str, float]) -> None:
    for layer in layers:
        if not ranges[layer.output] < float("inf"):
            raise ParityError(
                f"layer '{layer.name}' gives {ranges[layer.output]} even in fp32; the weights are "
                "damaged"
            )


def _overflow_reasons(
    graph: onnx.GraphProto, layers: Sequence[Layer], peaks: Mapping[str, float]
) -> dict[str, str]:
    """Return the reasons by layer; what follows a layer (activation, attention) counts to it."""
    names = {layer.node: layer.name for layer in layers}
    current, highest = layers[0].name, dict[str, float]()
    for node in graph.node:
        current = names.get(node.name, current)
        if node.name in peaks:
            highest[current] = max(highest.get(current, 0.0), peaks[node.name])
    return {
        name: f"range: reaches {peak:.3g}, more than {FP16_LIMIT:.0f}"
        for name, peak in highest.items()
    }
