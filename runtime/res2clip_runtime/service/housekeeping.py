"""What the main thread does while the line works: systemd, changed files, one line of status."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from res2clip_runtime.service.bundle_watch import BundleWatch
from res2clip_runtime.service.health import LineHealth
from res2clip_runtime.service.line import Line
from res2clip_runtime.service.notify import Notifier

__all__ = ["keep_house", "status_text"]

logger = logging.getLogger(__name__)

_TICK_S = 0.2
_FILES_S = 1.0
_BUNDLE_S = 5.0


def keep_house(
    line: Line,
    *,
    notifier: Notifier,
    bundle: BundleWatch,
    stop: Callable[[], bool],
    reload: Callable[[], None],
) -> None:
    """Return when the line has finished or ``stop`` says so.

    systemd's watchdog is fed only when the inspection has moved since the last time: a hang ends
    in a restart.

    Args:
        line: is running.
        notifier: systemd, if it is there.
        bundle: checked now and then.
        stop: whether a stop was asked for.
        reload: reads changed recipe files; must not raise.
    """
    tick_s = min(_TICK_S, (notifier.watchdog_s or 60.0) / 4)
    beats, files_s, bundle_s, ready, text = -1, 0.0, 0.0, None, ""
    while not stop() and not line.wait(tick_s):
        now_s = time.monotonic()
        if line.beats != beats:
            beats = line.beats
            notifier.alive()
        if now_s - files_s >= _FILES_S:
            files_s = now_s
            reload()
            health = line.health()
            if (said := status_text(health)) != text:
                text = said
                notifier.status(text)
            if health.ready is not ready:
                ready = health.ready
                if ready:
                    logger.info("ready: %s", health.product)
                else:
                    logger.warning("not ready: %s", health.reason)
        if now_s - bundle_s >= _BUNDLE_S:
            bundle_s = now_s
            bundle.check()


def status_text(health: LineHealth) -> str:
    """Return the line's state as one line for ``systemctl status``."""
    counts = ", ".join(f"{count} {decision}" for decision, count in health.decisions.items())
    state = f"inspecting {health.product}" if health.ready else f"not ready: {health.reason}"
    failing = [sink.name for sink in health.sinks if sink.state == "failing"]
    outputs = f"; failing outputs: {', '.join(failing)}" if failing else ""
    return f"{state}; {counts}{outputs}"
