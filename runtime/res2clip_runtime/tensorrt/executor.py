"""An engine that runs on NumPy arrays: pinned copies, one stream, one CUDA graph for each shape."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from res2clip_runtime.closable import Closable
from res2clip_runtime.cuda import CapturedGraph, CudaDevice
from res2clip_runtime.errors import BackendError
from res2clip_runtime.tensorrt.build_log import BuildLog
from res2clip_runtime.tensorrt.library import Library
from res2clip_runtime.tensorrt.tensor_slot import TensorSlot

if TYPE_CHECKING:
    import tensorrt as trt

__all__ = ["EngineExecutor"]

logger = logging.getLogger(__name__)

Arrays = Mapping[str, npt.NDArray[np.generic]]
Shapes = tuple[tuple[str, tuple[int, ...]], ...]


class EngineExecutor(Closable):
    """Owns an engine, its context, its memory on both sides and its graph."""

    def __init__(
        self, library: Library, device: CudaDevice, plan: bytes, *, stage: str, graphs: bool = True
    ) -> None:
        """Load an engine.

        Args:
            library: the TensorRT that built it.
            device: the device it was built for; stays the caller's.
            plan: the serialised engine.
            stage: its name, for messages.
            graphs: whether to replay a CUDA graph from the third run of a shape on.

        Raises:
            BackendError: TensorRT or the device refused; nothing is held then.
        """
        self._device = device
        self._stage = stage
        self._graphs = graphs
        self._graph: CapturedGraph | None = None
        self._runs_of_shape = 0
        self._shapes: Shapes = ()
        self._log = BuildLog(library)
        self._context: trt.IExecutionContext | None = None
        self._slots: dict[str, TensorSlot] = {}
        self._engine: trt.ICudaEngine | None = None
        with device.working(f"loading the engine of '{stage}'"):
            self._runtime: trt.Runtime | None = library.trt.Runtime(self._log.logger)
            try:
                self._engine = self._loaded(plan)
                self._context = self._new_context(self._engine)
                self._slots = _slots_of(library, self._engine, device, stage)
            except BackendError:
                self._free_engine()
                raise

    def largest(self, name: str) -> tuple[int, ...]:
        """Return the largest shape of an input."""
        if self._engine is None:
            raise BackendError("the inspector is closed; open a new one")
        return tuple(self._engine.get_tensor_profile_shape(name, 0)[2])

    def run(self, inputs: Arrays) -> dict[str, npt.NDArray[Any]]:
        """Return the outputs by name for contiguous inputs by name.

        Raises:
            BackendError: a shape is outside the engine's limits, TensorRT or CUDA failed, or this
                is closed.
        """
        context = self._context
        if context is None:
            raise BackendError("the inspector is closed; open a new one")
        with self._device.working(f"running stage '{self._stage}'"):
            try:
                self._set_shapes(context, inputs)
                for name, values in inputs.items():
                    self._slots[name].put(values)
                outputs = [slot for slot in self._slots.values() if not slot.is_input]
                self._enqueue(context, outputs)
                self._device.synchronize()
            except BackendError:
                self._shapes = ()  # nothing that lies on the device counts any more
                raise
            return {slot.name: slot.host.copy() for slot in outputs}

    def close(self) -> None:
        """Free graph, memory, context and engine, in this order; a second call does nothing."""
        if self._engine is None:
            return
        with ExitStack() as stack:
            stack.callback(self._free_engine)
            for slot in self._slots.values():
                stack.callback(slot.close)
            if self._graph is not None:
                stack.callback(self._graph.close)
            self._graph, self._slots = None, {}

    def _free_engine(self) -> None:
        with self._device.working(f"freeing the engine of '{self._stage}'"):
            # TensorRT frees device memory as these go, in this order.
            self._context = None
            self._engine = None
            self._runtime = None

    def _loaded(self, plan: bytes) -> trt.ICudaEngine:
        assert self._runtime is not None
        engine = self._runtime.deserialize_cuda_engine(plan)
        if engine is None:
            raise BackendError(
                f"TensorRT cannot load the engine of '{self._stage}': {self._log.reason}; "
                "build it again with: res2clip export --trt"
            )
        return engine

    def _new_context(self, engine: trt.ICudaEngine) -> trt.IExecutionContext:
        context = engine.create_execution_context()
        if context is None:
            raise BackendError(
                f"TensorRT cannot run the engine of '{self._stage}': {self._log.reason}; most "
                "often the device has too little memory: build with a smaller --trt-batch or "
                "--trt-shots"
            )
        return context

    def _set_shapes(self, context: trt.IExecutionContext, inputs: Arrays) -> None:
        """Tell TensorRT the inputs' shapes, and give every tensor enough memory."""
        shapes: Shapes = tuple((name, values.shape) for name, values in inputs.items())
        if shapes == self._shapes:
            self._runs_of_shape += 1
            return
        self._drop_graph()
        self._shapes = ()  # until all of it is done
        for name, values in inputs.items():
            self._check_input(name, values)
            if not context.set_input_shape(name, values.shape):
                raise self._refused(f"the shape {values.shape} of '{name}'")
        missing = context.infer_shapes()
        if missing:
            raise self._refused(f"its shapes: {', '.join(missing)} cannot be told")
        for slot in self._slots.values():
            slot.reserve(tuple(context.get_tensor_shape(slot.name)))
            if not context.set_tensor_address(slot.name, slot.address):
                raise self._refused(f"the memory of '{slot.name}'")
        self._shapes, self._runs_of_shape = shapes, 1

    def _enqueue(self, context: trt.IExecutionContext, outputs: list[TensorSlot]) -> None:
        def work() -> None:
            if not context.execute_async_v3(self._device.stream_handle):
                raise self._refused("to run")
            for slot in outputs:
                slot.fetch()

        # The first run of a shape lets TensorRT finish what it put off; a graph must not hold that.
        if self._graphs and self._graph is None and self._runs_of_shape == 2:
            self._capture(work)
        if self._graph is not None:
            self._graph.launch()
        else:
            work()

    def _capture(self, work: Any) -> None:
        try:
            self._graph = CapturedGraph(self._device, work)
        except BackendError as err:
            # An engine with loops or conditions cannot be captured; it runs as well without.
            logger.info("stage '%s' runs without a CUDA graph: %s", self._stage, err)
            self._graphs = False

    def _drop_graph(self) -> None:
        graph, self._graph = self._graph, None
        if graph is not None:
            graph.close()

    def _check_input(self, name: str, values: npt.NDArray[np.generic]) -> None:
        assert self._engine is not None
        slot = self._slots.get(name)
        if slot is None or not slot.is_input or slot.dtype != values.dtype:
            raise BackendError(
                f"the engine of '{self._stage}' has no input '{name}' of {values.dtype}; build it "
                "again with: res2clip export --trt"
            )
        high = self.largest(name)  # the smallest is 1 in every free axis
        free = self._engine.get_tensor_shape(name)
        if len(high) != values.ndim or any(
            size != most and not (axis == -1 and 1 <= size < most)
            for axis, size, most in zip(free, values.shape, high, strict=False)
        ):
            raise BackendError(
                f"the engine of '{self._stage}' takes '{name}' up to {high}, got {values.shape}; "
                "build it for more with: res2clip export --trt --trt-shots K --trt-batch B"
            )

    def _refused(self, what: str) -> BackendError:
        return BackendError(
            f"TensorRT refused, in stage '{self._stage}', {what}: {self._log.reason}"
        )


def _slots_of(
    library: Library, engine: trt.ICudaEngine, device: CudaDevice, stage: str
) -> dict[str, TensorSlot]:
    names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
    return {
        name: TensorSlot(
            device,
            name,
            dtype=np.dtype(library.trt.nptype(engine.get_tensor_dtype(name))),
            is_input=engine.get_tensor_mode(name) == library.trt.TensorIOMode.INPUT,
            purpose=f"'{name}' of stage '{stage}'",
        )
        for name in names
    }
