"""A stand-in for TensorRT that computes with ONNX Runtime on the fake device's memory.

Its "engine" is the ONNX file with the profile.  Names, and what they return when they refuse, are
TensorRT's; ``test_trt_contract.py`` holds it to the real releases' names.  A test adds a method's
name to ``refuse`` to let it refuse.
"""

from __future__ import annotations

import ctypes
import enum
import json
import math
import weakref

import numpy as np

__version__ = "11.4.0.double"

refuse: set[str] = set()
lives: dict[str, int] = {"Runtime": 0, "ICudaEngine": 0, "IExecutionContext": 0}
"""Objects of each class that are alive."""

_driver = ctypes.CDLL("libcuda.so.1")
_driver.fake_on_device.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
_HostFunction = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class NetworkDefinitionCreationFlag(enum.IntEnum):
    STRONGLY_TYPED = 1


class BuilderFlag(enum.IntEnum):
    TF32 = 7


class ComputeCapability(enum.IntEnum):
    """Of TensorRT for RTX; SM87 is the fake device's and no card's."""

    SM86 = 86
    SM87 = 87


class MemoryPoolType(enum.IntEnum):
    WORKSPACE = 0


class TensorIOMode(enum.IntEnum):
    NONE = 0
    INPUT = 1
    OUTPUT = 2


class DataType(enum.Enum):
    FLOAT = "tensor(float)"
    UINT8 = "tensor(uint8)"


def nptype(trt_type):
    return {DataType.FLOAT: np.float32, DataType.UINT8: np.uint8}[trt_type]


class ILogger:
    class Severity(enum.IntEnum):
        INTERNAL_ERROR = 0
        ERROR = 1
        WARNING = 2
        INFO = 3
        VERBOSE = 4

    def __init__(self):
        pass


class IProgressMonitor:
    def __init__(self):
        pass


class ParserError:
    def node_operator(self):
        return "TopK"

    def desc(self):
        return "refused by the test"


class _Counted:
    """Counts what is alive of a class, as the driver counts memory."""

    def __init__(self):
        lives[type(self).__name__] += 1

    def __del__(self):
        lives[type(self).__name__] -= 1


class INetworkDefinition:
    path = ""


class OnnxParser:
    def __init__(self, network, logger):
        self._network = network
        self.num_errors = 0

    def parse_from_file(self, model):
        if "parse_from_file" in refuse:
            self.num_errors = 1
            return False
        self._network.path = model
        return True

    def get_error(self, index):
        return ParserError()


class IOptimizationProfile:
    def __init__(self):
        self.shapes = {}

    def set_shape(self, input, min, opt, max):
        self.shapes[input] = [list(min), list(opt), list(max)]


class ITimingCache:
    def serialize(self):
        return b"measured"


class IBuilderConfig:
    progress_monitor = None
    num_compute_capabilities = 0

    def __init__(self):
        self.profiles = []
        self.flags = {BuilderFlag.TF32}
        self.cache = None

    def set_compute_capability(self, compute_capability, index):
        return self.num_compute_capabilities == 1 and index == 0

    def set_memory_pool_limit(self, pool, pool_size):
        pass

    def clear_flag(self, flag):
        self.flags.discard(flag)

    def add_optimization_profile(self, profile):
        self.profiles.append(profile)
        return -1 if "add_optimization_profile" in refuse else 0

    def create_timing_cache(self, serialized_timing_cache):
        return ITimingCache()

    def set_timing_cache(self, cache, ignore_mismatch):
        self.cache = cache
        return "set_timing_cache" not in refuse

    def get_timing_cache(self):
        return self.cache


class Builder:
    def __init__(self, logger):
        self._logger = logger

    def create_network(self, flags=0):
        assert flags == 1 << int(NetworkDefinitionCreationFlag.STRONGLY_TYPED)
        return INetworkDefinition()

    def create_builder_config(self):
        return IBuilderConfig()

    def create_optimization_profile(self):
        return IOptimizationProfile()

    def build_serialized_network(self, network, config):
        assert BuilderFlag.TF32 not in config.flags
        monitor = config.progress_monitor
        monitor.phase_start("Building engine", None, 2)
        for step in range(2):
            if not monitor.step_complete("Building engine", step):
                return None
        monitor.phase_finish("Building engine")
        if "build_serialized_network" in refuse:
            self._logger.log(ILogger.Severity.ERROR, "no tactic fits")
            return None
        return json.dumps({"onnx": network.path, "profile": config.profiles[0].shapes}).encode()


class Runtime(_Counted):
    def __init__(self, logger):
        super().__init__()

    def deserialize_cuda_engine(self, serialized_engine):
        if "deserialize_cuda_engine" in refuse:
            return None
        return ICudaEngine(json.loads(serialized_engine))


class ICudaEngine(_Counted):
    def __init__(self, plan):
        import onnxruntime

        super().__init__()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(
            plan["onnx"], options, providers=["CPUExecutionProvider"]
        )
        self.profile = plan["profile"]
        self.inputs = {entry.name: entry for entry in self.session.get_inputs()}
        self.outputs = {entry.name: entry for entry in self.session.get_outputs()}
        self.num_io_tensors = len(self.inputs) + len(self.outputs)

    def get_tensor_name(self, index):
        return [*self.inputs, *self.outputs][index]

    def get_tensor_mode(self, name):
        return TensorIOMode.INPUT if name in self.inputs else TensorIOMode.OUTPUT

    def get_tensor_dtype(self, name):
        return DataType({**self.inputs, **self.outputs}[name].type)

    def get_tensor_shape(self, name):
        shape = {**self.inputs, **self.outputs}[name].shape
        return tuple(size if isinstance(size, int) else -1 for size in shape)

    def get_tensor_profile_shape(self, name, profile_index):
        return self.profile[name]

    def create_execution_context(self):
        return None if "create_execution_context" in refuse else IExecutionContext(self)


class IExecutionContext(_Counted):
    def __init__(self, engine):
        super().__init__()
        self._engine = engine
        self._shapes = {}
        self._addresses = {}
        self._callbacks = []

    def set_input_shape(self, name, shape):
        self._shapes[name] = tuple(shape)
        return "set_input_shape" not in refuse

    def infer_shapes(self):
        return ["patches"] if "infer_shapes" in refuse else []

    def get_tensor_shape(self, name):
        if name in self._shapes:
            return self._shapes[name]
        free = {}
        for given, entry in self._engine.inputs.items():
            free |= dict(zip(entry.shape, self._shapes[given], strict=True))
        return tuple(free.get(size, size) for size in self._engine.outputs[name].shape)

    def set_tensor_address(self, name, memory):
        self._addresses[name] = memory
        return "set_tensor_address" not in refuse

    def execute_async_v3(self, stream_handle):
        if "execute_async_v3" in refuse:
            return False
        itself = weakref.ref(self)  # no cycle: the context is to end when its owner lets it go
        callback = _HostFunction(lambda _: itself()._compute())
        self._callbacks.append(callback)  # a captured graph calls it later
        result = _driver.cuLaunchHostFunc(ctypes.c_void_p(stream_handle), callback, None)
        return result == 0

    def _compute(self):
        feeds = {name: self._view(name) for name in self._engine.inputs}
        results = self._engine.session.run(None, feeds)
        for name, values in zip(self._engine.outputs, results, strict=True):
            self._view(name)[...] = values

    def _view(self, name):
        shape = self.get_tensor_shape(name)
        dtype = np.dtype(nptype(self._engine.get_tensor_dtype(name)))
        size = math.prod(shape) * dtype.itemsize
        assert _driver.fake_on_device(self._addresses[name], size), f"{name} is not on the device"
        buffer = (ctypes.c_uint8 * size).from_address(self._addresses[name])
        return np.frombuffer(buffer, dtype).reshape(shape)
