"""A CUDA device as the engines use it: memory, one stream, events, captured graphs (pycuda)."""

from res2clip_runtime.cuda.buffers import DeviceBuffer, PinnedArray
from res2clip_runtime.cuda.device import CudaDevice
from res2clip_runtime.cuda.graph import CapturedGraph

__all__ = ["CapturedGraph", "CudaDevice", "DeviceBuffer", "PinnedArray"]
