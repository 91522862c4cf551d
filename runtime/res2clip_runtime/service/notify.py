"""Telling systemd how the service is doing (sd_notify), without a dependency.

The protocol: https://www.freedesktop.org/software/systemd/man/sd_notify.html
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
from collections.abc import Mapping

from res2clip_runtime.closable import Closable

__all__ = ["Notifier"]

logger = logging.getLogger(__name__)


class Notifier(Closable):
    """Sends states to the socket that systemd named; does nothing where there is none."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """Read ``NOTIFY_SOCKET``, ``WATCHDOG_USEC`` and ``WATCHDOG_PID`` of ``environment``."""
        self.watchdog_s = _watchdog_s(environment)
        """Seconds within which systemd wants a sign of life; None: it does not watch."""
        self._socket: socket.socket | None = None
        address = environment.get("NOTIFY_SOCKET", "")
        if not address:
            return
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        try:
            # A leading @ stands for the zero byte of Linux's abstract sockets.
            self._socket.connect("\0" + address[1:] if address[0] == "@" else address)
        except OSError as err:
            logger.warning("NOTIFY_SOCKET=%s cannot be reached: %s", address, err)
            self.close()

    def ready(self) -> None:
        """Say that the start is done."""
        self._send("READY=1")

    def alive(self) -> None:
        """Give the sign of life."""
        self._send("WATCHDOG=1")

    def status(self, text: str) -> None:
        """Show a line in ``systemctl status``."""
        self._send("STATUS=" + " ".join(text.split()))

    def stopping(self) -> None:
        """Say that the end has begun."""
        self._send("STOPPING=1")

    def close(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, message: str) -> None:
        if self._socket is not None:
            # systemd being slow or gone must not stop the line.
            with contextlib.suppress(OSError):
                self._socket.send(message.encode(), socket.MSG_DONTWAIT)


def _watchdog_s(environment: Mapping[str, str]) -> float | None:
    usec = environment.get("WATCHDOG_USEC", "")
    pid = environment.get("WATCHDOG_PID", "")
    if not usec.isdigit() or (pid and pid != str(os.getpid())):
        return None
    return int(usec) / 1e6 or None
