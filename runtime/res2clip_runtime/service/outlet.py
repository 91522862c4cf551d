"""Where the line's verdicts leave it: listeners, then sinks."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

from res2clip_runtime.closable import Closable
from res2clip_runtime.preprocess import PictureU8
from res2clip_runtime.service.figures import Figures
from res2clip_runtime.sinks.worker import SinkWorker
from res2clip_runtime.verdict import Verdict

__all__ = ["Outlet"]

logger = logging.getLogger(__name__)


class Outlet(Closable):
    """Counts every verdict and hands it on; owns the sinks' workers."""

    def __init__(self, sinks: Sequence[SinkWorker], figures: Figures) -> None:
        """Hand verdicts to ``sinks``."""
        self.sinks = tuple(sinks)
        self.figures = figures
        self._listeners: list[Callable[[Verdict], None]] = []
        self._last: Verdict | None = None

    @property
    def last(self) -> Verdict | None:
        """The newest verdict."""
        return self._last

    def add_listener(self, callback: Callable[[Verdict], None]) -> None:
        """Call ``callback`` with every verdict, before the sinks get it."""
        self._listeners = [*self._listeners, callback]

    def add_sink(self, sink: SinkWorker) -> None:
        """Hand verdicts to ``sink``, too."""
        self.sinks = (*self.sinks, sink)

    def deliver(self, verdict: Verdict, picture: PictureU8 | None) -> None:
        """Hand on a verdict and its picture; quick, never raises."""
        self.figures.add_verdict(verdict)
        self._last = verdict
        for listener in self._listeners:
            try:
                listener(verdict)
            except Exception:  # one that fails must not keep the others from their verdict
                logger.exception("a listener failed on the verdict of %s", verdict.frame_id)
        for sink in self.sinks:
            sink.offer(verdict, picture)

    def close(self, timeout_s: float = 5.0) -> None:
        """Let every sink write what it has queued, all at once, for at most ``timeout_s``."""
        threads = [
            threading.Thread(target=sink.close, args=(timeout_s,), name=f"drain-{sink.name}")
            for sink in self.sinks
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
