"""The encoder's layers as int8 products: symmetric Q/DQ by ONNX Runtime's quantiser.

Weights have a scale per output channel, activations one per tensor; zero points are 0, as TensorRT
demands.  Only the layers' inputs and weights are quantised: bias, activation function, attention,
softmax, LayerNorm and the residual streams stay fp32.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping

import numpy as np
import onnx

from res2clip_export.encoder_layers import Layer
from res2clip_runtime.backends.telemetry import forbid_telemetry

__all__ = ["quantised"]


def quantised(
    model: onnx.ModelProto, layers: Collection[Layer], ranges: Mapping[str, float]
) -> onnx.ModelProto:
    """Return a copy of the fp32 encoder with these layers in int8.

    Args:
        model: the encoder in fp32; stays as it is.
        layers: which to quantise.
        ranges: the largest absolute value of every layer's input.
    """
    forbid_telemetry()
    from onnxruntime.quantization import CalibrationMethod, QDQQuantizer, QuantType, TensorsData

    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    if not layers:
        return copy
    limits = {
        layer.input: (np.float32(-ranges[layer.input]), np.float32(ranges[layer.input]))
        for layer in layers
    }
    level = logging.getLogger().level
    quantiser = QDQQuantizer(
        copy,
        per_channel=True,
        reduce_range=False,
        weight_qType=QuantType.QInt8,
        activation_qType=QuantType.QInt8,
        tensors_range=TensorsData(CalibrationMethod.MinMax, limits),
        nodes_to_quantize=[layer.node for layer in layers],
        nodes_to_exclude=[],
        op_types_to_quantize=["MatMul"],
        extra_options={
            "WeightSymmetric": True,
            "ActivationSymmetric": True,
            "OpTypesToExcludeOutputQuantization": ["MatMul"],
            "MinimumRealRange": 1e-6,
        },
    )
    quantiser.quantize_model()
    logging.getLogger().setLevel(level)
    quantiser.model.topological_sort()
    result: onnx.ModelProto = quantiser.model.model
    del result.graph.value_info[:]
    return result
