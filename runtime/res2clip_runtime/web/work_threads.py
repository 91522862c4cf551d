"""A few threads for what takes time; they keep no process alive."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

__all__ = ["WorkThreads"]


class WorkThreads(Executor):
    """Runs calls on daemon threads.

    The pool of ``concurrent.futures`` is joined when the interpreter ends: a call that hangs on a
    disk or a device would keep the process from ending.
    """

    def __init__(self, count: int, *, name: str) -> None:
        """Start ``count`` threads called ``name``."""
        self._calls: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=self._work, name=f"{name}-{number}", daemon=True)
            for number in range(1, count + 1)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, call: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Return the future of ``call``, which runs when a thread is free."""
        future: Future[Any] = Future()

        def run() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(call(*args, **kwargs))
            except BaseException as err:  # it belongs to whoever waits for the future
                future.set_exception(err)

        self._calls.put(run)
        return future

    def close(self, timeout_s: float) -> None:
        """Finish what was begun, at most for so long."""
        for _ in self._threads:
            self._calls.put(None)
        for thread in self._threads:
            thread.join(timeout_s)

    def _work(self) -> None:
        while (run := self._calls.get()) is not None:
            run()
