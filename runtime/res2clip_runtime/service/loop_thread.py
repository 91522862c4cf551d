"""A server of asyncio on a thread of its own, which begins to listen or says why not."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine
from typing import Any

__all__ = ["LoopThread"]

logger = logging.getLogger(__name__)


class LoopThread:
    """Runs one coroutine on a loop of its own; the line's threads never wait for it."""

    def __init__(self, serve: Callable[[], Coroutine[Any, Any, None]], *, name: str) -> None:
        """Run ``serve`` from :meth:`start` on, on a thread called ``name``."""
        self._serve = serve
        self._name = name
        self._loop = asyncio.new_event_loop()
        self._listening = threading.Event()
        self._trouble: Exception | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Return when the coroutine has said that it listens.

        Raises:
            Exception: what it raised before that.
        """
        self._thread.start()
        self._listening.wait()
        if self._trouble is not None:
            self._thread.join()
            raise self._trouble

    def say_listening(self) -> None:
        """Let :meth:`start` return; called by the coroutine."""
        self._listening.set()

    def call(self, callback: Callable[[], None]) -> bool:
        """Run ``callback`` on the loop soon; False where the loop has ended. From any thread."""
        try:
            self._loop.call_soon_threadsafe(callback)
        except RuntimeError:
            return False
        return True

    def end(self, ask: Callable[[], None], *, within_s: float) -> None:
        """Run ``ask``, which makes the coroutine return, and wait for that at most so long."""
        if self._thread.is_alive():
            self.call(ask)
            self._thread.join(within_s)

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
        except Exception as err:
            if self._listening.is_set():
                logger.exception("the server '%s' broke off", self._name)
            else:
                self._trouble = err
        finally:
            self._loop.close()
            self._listening.set()
