"""Which execution providers of ONNX Runtime a backend means, and how they are set up."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from res2clip_runtime.backends.engine_options import EngineOptions
from res2clip_runtime.bundle import Bundle
from res2clip_runtime.errors import BackendError
from res2clip_runtime.manifest import TensorEntry
from res2clip_runtime.spec import sha256_hex
from res2clip_runtime.storage import cache_directory, output_error

__all__ = ["CPU", "CUDA", "ONNX_BACKENDS", "TENSORRT", "Providers", "stage_providers"]

CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"
TENSORRT = "TensorrtExecutionProvider"

ONNX_BACKENDS = {"onnxruntime": CPU, "onnxruntime-cuda": CUDA, "onnxruntime-tensorrt": TENSORRT}
"""The provider each backend stands for."""

Providers = tuple[tuple[str, Mapping[str, str]], ...]
"""Providers in order of preference, each with its options."""

MAX_BATCH = {"encoder": 8, "match": 1, "heads": 1}
MAX_SHOTS = 16
"""Sizes TensorRT's engine is built for; a larger batch or bank makes it build a wider one.

TensorRT sets memory aside for the largest sizes, and match needs B x P x N similarities a tap:
0.12 GB for one picture and 16 shots at 518 px.
"""


def stage_providers(
    backend: str, bundle: Bundle, stage: str, *, options: EngineOptions, onnxruntime_version: str
) -> Providers:
    """Return the providers that run a stage.

    Args:
        backend: one of ``ONNX_BACKENDS``.
        bundle: the exported model.
        stage: encoder, match or heads.
        options: how the machine is used.
        onnxruntime_version: engines are built anew for another one.

    Raises:
        BackendError: the environment asks NVIDIA's libraries for another arithmetic.
        OutputError: the cache of engines cannot be written.
    """
    if backend == "onnxruntime":
        return ((CPU, {}),)
    cuda = (CUDA, _cuda_options(options))
    if backend == "onnxruntime-cuda":
        return (cuda,)
    _forbid_tf32()  # match and heads are fp32 in every bundle
    entry = bundle.manifest.stages[stage]
    method = bundle.manifest.method
    most = {"B": MAX_BATCH[stage], "N": MAX_SHOTS * method.patches}
    usual = {"B": 1, "N": 4 * method.patches}
    cache = _engine_cache(f"{bundle.stage_sha256(stage)} {onnxruntime_version}")
    tensorrt = {
        **_tensorrt_options(cache, options),
        "trt_profile_min_shapes": _shapes(entry.inputs, {"B": 1, "N": 1}),
        "trt_profile_opt_shapes": _shapes(entry.inputs, usual),
        "trt_profile_max_shapes": _shapes(entry.inputs, most),
    }
    # What TensorRT's parser leaves goes to CUDA.
    return ((TENSORRT, tensorrt), cuda)


def _cuda_options(options: EngineOptions) -> dict[str, str]:
    # TF32 would shift scores while the threshold, made in fp32, stays valid.
    chosen = {"use_tf32": "0"}
    if options.gpu_memory_mb is not None:
        chosen["gpu_mem_limit"] = str(options.gpu_memory_mb << 20)
    return chosen


def _tensorrt_options(cache: Path, options: EngineOptions) -> dict[str, str]:
    # No trt_fp16_enable, trt_bf16_enable or trt_int8_enable in any precision: with one of them ONNX
    # Runtime builds a weakly typed network, in which TensorRT lowers whatever is faster, fp32 match
    # and heads too; without it a strongly typed one, which computes in the graph's own types, Q/DQ
    # included (ONNX Runtime's pull request 18707).
    chosen = {
        "trt_engine_cache_enable": "1",
        "trt_engine_cache_path": str(cache),
        "trt_timing_cache_enable": "1",
        "trt_timing_cache_path": str(cache),
    }
    if options.gpu_memory_mb is not None:
        chosen["trt_max_workspace_size"] = str(options.gpu_memory_mb << 20)
    return chosen


def _shapes(inputs: Sequence[TensorEntry], sizes: Mapping[str, int]) -> str:
    """Return TensorRT's profile text ``name:1x2,name:3``, for the inputs with free sizes."""
    return ",".join(
        f"{entry.name}:{'x'.join(str(sizes.get(str(size), size)) for size in entry.shape)}"
        for entry in inputs
        if any(isinstance(size, str) for size in entry.shape)
    )


def _engine_cache(identity: str) -> Path:
    """Return the folder for a graph's engines; ONNX Runtime adds TensorRT's version and the GPU."""
    folder = cache_directory() / "onnxruntime-tensorrt" / sha256_hex(identity.encode())[:32]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as err:
        raise output_error(folder, err) from err
    return folder


def _forbid_tf32() -> None:
    """Keep TensorRT from computing fp32 in TF32, which it does by default.

    The provider has no option for it (checked in the library of 1.31); this variable overrules
    what NVIDIA's libraries are told otherwise.  It counts for the whole process.
    """
    if os.environ.setdefault("NVIDIA_TF32_OVERRIDE", "0") != "0":
        raise BackendError(
            "NVIDIA_TF32_OVERRIDE is set, so TensorRT would not compute the bundle's fp32 stages "
            "in fp32 and its thresholds would not be valid; unset it"
        )
