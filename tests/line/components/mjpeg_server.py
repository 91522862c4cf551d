"""A camera that gives MJPEG over HTTP, as a process."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from line.components.child import Child, free_port

_PROGRAM = Path(__file__).with_name("mjpeg_program.py")


class MjpegServer(Child):
    """Plays the pictures of a folder; see ``mjpeg_program.py`` for what else it can do."""

    def __init__(
        self,
        folder: Path,
        *,
        port: int | None = None,
        fps: float = 20,
        user: str = "",
        password: str = "",
        certificate: Path | None = None,
    ) -> None:
        """Serve ``folder`` on the loopback; with ``certificate`` (PEM with its key) over HTTPS."""
        self.port = port or free_port()
        secret = [user, password] if user else []
        super().__init__(
            [sys.executable, str(_PROGRAM), str(self.port), str(fps), str(folder), *secret],
            ready_line="ready",
            env={**os.environ, "MJPEG_CERTIFICATE": str(certificate or "")},
        )
        self.address = f"http{'s' if certificate else ''}://127.0.0.1:{self.port}"
        self.url = f"{self.address}/stream.mjpg"
        self.noisy_url = f"{self.address}/noisy.mjpg"
