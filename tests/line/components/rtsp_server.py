"""A real RTSP server (gst-rtsp-server) as a process."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

import pytest
from line.components.child import Child, free_port

_PYTHON = "/usr/bin/python3"
_PROGRAM = Path(__file__).with_name("rtsp_program.py")


@cache
def _installed() -> bool:
    check = "import gi; gi.require_version('GstRtspServer', '1.0')"
    try:
        return not subprocess.run(
            [_PYTHON, "-c", check], capture_output=True, check=False
        ).returncode
    except OSError:
        return False


def need_rtsp_server() -> None:
    """Skip where gst-rtsp-server is not installed."""
    if not _installed():
        pytest.skip("no RTSP server (apt: python3-gi gir1.2-gst-rtsp-server-1.0)")


class RtspServer(Child):
    """H.264 at ``url``, MJPEG at ``mjpeg_url``: 320 x 240 px; a ball that moves, colour bars."""

    def __init__(
        self, *, port: int | None = None, fps: int = 15, user: str = "", password: str = ""
    ) -> None:
        """Serve on the loopback; with ``user`` only to who knows the password."""
        self.port = port or free_port()
        secret = [user, password] if user else []
        super().__init__(
            [_PYTHON, str(_PROGRAM), str(self.port), str(fps), *secret], ready_line="ready"
        )
        self.url = f"rtsp://127.0.0.1:{self.port}/cam"
        self.mjpeg_url = f"rtsp://127.0.0.1:{self.port}/mjpg"
