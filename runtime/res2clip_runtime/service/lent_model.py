"""The line's model, lent to others between two parts: teaching from the page, uploaded pictures."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any, TypeVar

from res2clip_runtime.errors import BackendError
from res2clip_runtime.inspection import WholePipeline
from res2clip_runtime.preprocess import PictureU8
from res2clip_runtime.score import Scored
from res2clip_runtime.spec import MethodSpec
from res2clip_runtime.stages import BranchMaps, Features, FloatArray, Stages

__all__ = ["LentModel", "lend"]

T = TypeVar("T")

PATIENCE_S = 60.0
"""Longest time a borrower waits for one stage."""


class LentModel:
    """Stages whose every call runs on the inspection's thread, between two parts.

    Engines are used on one thread only, and inspection must not wait for a whole teaching: so one
    stage of one picture is lent at a time. Call it from any other thread.
    """

    def __init__(self, stages: Stages, *, nudge: Callable[[], None]) -> None:
        """Lend ``stages``; ``nudge`` ends the inspection's waiting for pictures."""
        self._stages = stages
        self._nudge = nudge
        self._lock = threading.Lock()
        self._loans: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._closed = False

    @property
    def spec(self) -> MethodSpec:
        """See :class:`Stages`."""
        return self._stages.spec

    def encode(self, images: PictureU8) -> Features:
        """See :class:`Stages`.

        Raises:
            BackendError: the model failed, or the line stops; so do all stages.
        """
        return self._borrow(lambda: self._stages.encode(images))

    def match(self, patches: FloatArray, bank: FloatArray, bank_rho: FloatArray) -> FloatArray:
        """See :class:`Stages`."""
        return self._borrow(lambda: self._stages.match(patches, bank, bank_rho))

    def heads(
        self,
        last_patches: FloatArray,
        residual: FloatArray,
        image_feature: FloatArray,
        bank_global_mean: FloatArray,
    ) -> BranchMaps:
        """See :class:`Stages`."""
        return self._borrow(
            lambda: self._stages.heads(last_patches, residual, image_feature, bank_global_mean)
        )

    def serve(self) -> None:
        """Run the call that has waited longest, if any; on the inspection's thread."""
        with self._lock:
            loan = self._loans.popleft() if self._loans else None
        if loan is None:
            return
        future, call = loan
        if not future.set_running_or_notify_cancel():
            return  # its borrower has given up
        try:
            future.set_result(call())
        except BaseException as err:  # it is the borrower's, wherever it runs
            future.set_exception(err)

    def close(self) -> None:
        """Refuse whoever waits, and everybody from now on."""
        with self._lock:
            self._closed = True
            refused = list(self._loans)
            self._loans.clear()
        for future, _ in refused:
            if future.set_running_or_notify_cancel():
                future.set_exception(_stopping())

    def _borrow(self, call: Callable[[], T]) -> T:
        future: Future[T] = Future()
        with self._lock:
            if self._closed:
                raise _stopping()
            self._loans.append((future, call))
        self._nudge()
        try:
            return future.result(PATIENCE_S)
        except FutureTimeoutError as err:
            if future.done():  # the model's own
                raise
            future.cancel()
            raise BackendError(
                f"the model was not free within {PATIENCE_S:.0f} s; see whether the line hangs"
            ) from err


class _LentPipeline(LentModel):
    """A lent model that brings its own preprocessing and score; see :class:`WholePipeline`."""

    def __init__(self, stages: WholePipeline, *, nudge: Callable[[], None]) -> None:
        super().__init__(stages, nudge=nudge)
        self._pipeline = stages

    def resize(self, picture: PictureU8) -> PictureU8:
        return self._borrow(lambda: self._pipeline.resize(picture))

    def score(self, maps: FloatArray, scores: FloatArray) -> Scored:
        return self._borrow(lambda: self._pipeline.score(maps, scores))


def lend(stages: Stages, *, nudge: Callable[[], None]) -> LentModel:
    """Return ``stages`` to be lent; a whole pipeline stays one."""
    if isinstance(stages, WholePipeline):
        return _LentPipeline(stages, nudge=nudge)
    return LentModel(stages, nudge=nudge)


def _stopping() -> BackendError:
    return BackendError("the line is stopping; try again when it runs")
