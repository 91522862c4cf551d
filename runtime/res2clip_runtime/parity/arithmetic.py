"""What an engine really computes a bundle's encoder in; a graph's types alone do not tell."""

from __future__ import annotations

__all__ = ["arithmetic_of"]

_ARITHMETIC = {
    ("onnxruntime", "fp32"): "fp32",
    ("onnxruntime", "fp16"): "fp16 weights; fp32 arithmetic on x86 CPUs, fp16 on Arm CPUs with it",
    ("onnxruntime", "int8"): "int8 products where quantised, fp32 elsewhere",
    ("onnxruntime-cuda", "fp32"): "fp32",
    ("onnxruntime-cuda", "fp16"): "fp16 as typed in the graph, fp32 elsewhere",
    ("onnxruntime-cuda", "bf16"): "bf16 as typed in the graph, fp32 elsewhere",
    ("tensorrt", "fp32"): "fp32 (TF32 forbidden)",
    ("tensorrt", "fp16"): "fp16 as typed in the graph, fp32 elsewhere",
    ("tensorrt", "bf16"): "bf16 as typed in the graph, fp32 elsewhere",
    ("tensorrt", "int8"): "int8 products where quantised, fp32 elsewhere",
    ("openvino", "fp32"): "fp32",
    ("openvino", "fp16"): "fp16 weights; fp32 arithmetic (precision hint f32)",
    ("openvino", "bf16"): "bf16 (precision hint bf16)",
    ("openvino", "int8-bf16"): "int8 products where quantised, bf16 elsewhere (hint bf16)",
    ("openvino", "int8"): "int8 products where quantised, fp32 elsewhere (precision hint f32)",
}


def arithmetic_of(backend: str, precision: str) -> str:
    """Return in words what ``backend`` computes in; where we do not know, that."""
    engine = backend.partition("+")[0].replace("tensorrt-rtx", "tensorrt")
    return _ARITHMETIC.get((engine, precision), f"{precision} as typed in the graph")
