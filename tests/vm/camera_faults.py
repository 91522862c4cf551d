"""What breaks V4L2 cameras, done to the driver of the virtual ones; each is mended at the end."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_DRIVER = Path("/sys/bus/platform/drivers/vivid")


@contextmanager
def unplugged() -> Iterator[None]:
    """Every camera is gone, as are its devices."""
    (_DRIVER / "unbind").write_text("vivid.0")
    try:
        yield
    finally:
        (_DRIVER / "bind").write_text("vivid.0")


@contextmanager
def pulled_cable(index: int) -> Iterator[None]:
    """The camera answers nobody (ENODEV), though its device is still there."""
    # The driver gives the camera back when nobody has it open any more.
    held = os.open(f"/dev/video{index}", os.O_RDWR | os.O_NONBLOCK)
    try:
        _set(index, "disconnect")
        yield
    finally:
        os.close(held)


@contextmanager
def broken_stream(index: int) -> Iterator[None]:
    """Whoever reads gets a fatal error; the camera can be opened again at once."""
    _set(index, "inject_fatal_streaming_error")
    yield


def _set(index: int, control: str) -> None:
    subprocess.run(["v4l2-ctl", "-d", str(index), "-c", f"{control}=1"], check=True)
