"""A real model whose encoder does, for a while, what a test wants."""

from __future__ import annotations

import threading
from collections.abc import Callable

from res2clip_runtime.spec import MethodSpec
from res2clip_runtime.stages import BranchMaps, Features, FloatArray, Stages


class FailingModel:
    """Passes everything on to a model; ``before_encode`` may raise or wait."""

    def __init__(self, model: Stages, before_encode: Callable[[int], None]) -> None:
        """Call ``before_encode`` with the number of the picture, from 0."""
        self._model = model
        self._before = before_encode
        self.encoded = 0

    @property
    def spec(self) -> MethodSpec:
        return self._model.spec

    def encode(self, images) -> Features:
        number, self.encoded = self.encoded, self.encoded + 1
        self._before(number)
        return self._model.encode(images)

    def match(self, patches: FloatArray, bank: FloatArray, bank_rho: FloatArray) -> FloatArray:
        return self._model.match(patches, bank, bank_rho)

    def heads(self, *inputs: FloatArray) -> BranchMaps:
        return self._model.heads(*inputs)


class Gate:
    """Holds the model until it is opened."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self._open = threading.Event()

    def __call__(self, number: int) -> None:
        self.reached.set()
        assert self._open.wait(30)

    def open(self) -> None:
        self._open.set()
