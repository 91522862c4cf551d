"""TensorRT: engines built from a bundle's ONNX on the device, kept, and run with pycuda."""

from res2clip_runtime.tensorrt.engine_cache import EngineCache
from res2clip_runtime.tensorrt.engine_job import EngineJob, EngineLimits
from res2clip_runtime.tensorrt.executor import EngineExecutor
from res2clip_runtime.tensorrt.library import Library, load_library

__all__ = ["EngineCache", "EngineExecutor", "EngineJob", "EngineLimits", "Library", "load_library"]
