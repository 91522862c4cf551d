"""A source that reads a local camera with OpenCV over V4L2 (extra ``camera``)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from res2clip_runtime.errors import InputError, MissingExtraError, Res2ClipError, SourceError
from res2clip_runtime.sources.frame import Frame, LiveFrames
from res2clip_runtime.sources.pixel_formats import bgr_to_rgb
from res2clip_runtime.sources.settings import CameraSettings
from res2clip_runtime.sources.threaded_source import ThreadedSource
from res2clip_runtime.sources.v4l2 import describe_devices, list_devices

__all__ = ["V4l2Camera", "index_of"]

_MANUAL_EXPOSURE = 1
"""V4L2_EXPOSURE_MANUAL."""
_NEWER_S = 10.0
"""A picture is newer; V4L2 drivers stamp by the clock that time.monotonic reads, but for a few."""
_EXPOSURE_UNIT_US = 100
"""V4L2_CID_EXPOSURE_ABSOLUTE counts in 0.1 ms."""


def index_of(place: str) -> int:
    """Return N of ``N``, ``v4l2://N``, ``v4l2:///dev/videoN`` or a link to it (/dev/v4l/by-id/...).

    Raises:
        InputError: it is none of these.
        SourceError: the link leads nowhere: the camera is not connected.
    """
    name = place.removeprefix("v4l2://").removeprefix("v4l2:")
    if name.isdigit():
        return int(name)
    device = Path(name)
    if device.parent.name in ("by-id", "by-path") and not device.exists():
        raise SourceError(
            f"{name} does not exist: the camera is not connected; "
            f"{describe_devices(list_devices())}"
        )
    number = device.resolve().name.removeprefix("video")
    if not number.isdigit():
        raise InputError(
            f"{place} is no video device; give a number, v4l2:///dev/videoN or a link to one such "
            "as v4l2:///dev/v4l/by-id/..."
        )
    return int(number)


class V4l2Camera(ThreadedSource):
    """Live pictures of ``/dev/video<index>``; it never ends by itself."""

    def __init__(self, index: int, settings: CameraSettings | None = None) -> None:
        """Open the camera.

        Raises:
            MissingExtraError: OpenCV is not installed.
            InputError: it is asked for a trigger.
            SourceError: there is no such camera, it is in use, this user may not open it, or it
                does not take the settings.
        """
        settings = settings or CameraSettings()
        try:
            import cv2
        except ImportError as err:
            raise MissingExtraError(
                "opencv-python-headless", extra="camera", purpose="reading a camera"
            ) from err
        if settings.trigger != "off":
            raise InputError(
                f'camera {index} has no trigger (trigger = "{settings.trigger}"): V4L2 knows none; '
                "use a GenICam camera, or let it run freely"
            )
        _check_device(index)
        super().__init__(
            lambda: _Capture(cv2, index, settings),
            name=f"camera {index}",
            timeout_s=settings.connect_timeout_s,
        )


class _Capture:
    """OpenCV's capture; used by one thread."""

    def __init__(self, cv2: Any, index: int, settings: CameraSettings) -> None:
        self._cv2, self._index = cv2, index
        with _quiet(cv2):
            self._capture: Any = cv2.VideoCapture(index, cv2.CAP_V4L2)
        if not self._capture.isOpened():
            raise SourceError(
                f"camera {index} exists but cannot be opened (--camera {index}); "
                "another program may be using it, or it is the second device of a camera; "
                f"{describe_devices(list_devices())}"
            )
        try:
            self._configure(settings)
        except Res2ClipError:
            self.close()
            raise
        self.frames = LiveFrames(f"camera{index}", settings)

    def describe(self) -> str:
        width, height = (int(self._get(f"FRAME_{side}")) for side in ("WIDTH", "HEIGHT"))
        return f"camera {self._index} ({width} x {height} px)"

    def grab(self) -> Frame:
        good, bgr = self._capture.read()
        if not good or bgr is None:
            raise SourceError(
                f"camera {self._index} gives no more pictures; check its cable and power"
            )
        return self.frames.frame(bgr_to_rgb(bgr), arrived_s=self._arrived_s())

    def _arrived_s(self) -> float | None:
        """Return when the driver had the picture; None where it counts by another clock."""
        stamp_s = self._get("POS_MSEC") / 1000
        return stamp_s if 0 <= time.monotonic() - stamp_s < _NEWER_S else None

    def close(self) -> None:
        with _quiet(self._cv2):
            self._capture.release()

    def _configure(self, settings: CameraSettings) -> None:
        # One buffer: the picture read is the newest, not one from several frames ago.
        self._set("BUFFERSIZE", 1)
        if settings.pixel_format:
            asked = _fourcc(settings.pixel_format)
            self._set("FOURCC", asked)
            if (got := int(self._get("FOURCC"))) != asked:
                raise self._refused("pixel_format", settings.pixel_format, _letters(got))
        for name, side in (("width", settings.width), ("height", settings.height)):
            if side is not None:
                self._demand(f"FRAME_{name.upper()}", name, side, tolerance=0)
        # The rate after the size: a change of size resets it.
        if settings.fps is not None:
            self._demand("FPS", "fps", settings.fps)
        if settings.exposure_us is not None:
            self._set("AUTO_EXPOSURE", _MANUAL_EXPOSURE)
            steps = max(1, round(settings.exposure_us / _EXPOSURE_UNIT_US))
            self._demand("EXPOSURE", f"exposure_us / {_EXPOSURE_UNIT_US}", steps)
        if settings.gain is not None:
            self._demand("GAIN", "gain", settings.gain)

    def _demand(self, prop: str, name: str, value: float, *, tolerance: float = 0.01) -> None:
        """Set a property; a camera that silently keeps another value is refused."""
        self._set(prop, value)
        got = self._get(prop)
        if abs(got - value) > tolerance * abs(value):
            # OpenCV answers -1 for what a camera does not have.
            raise self._refused(name, f"{value:g}", "none" if got == -1 else f"{got:g}")

    def _refused(self, name: str, asked: str, got: str) -> SourceError:
        return SourceError(
            f"camera {self._index} does not take {name} = {asked}, it has {got}; "
            f"'v4l2-ctl -d {self._index} --list-formats-ext --list-ctrls' tells what it knows"
        )

    def _set(self, name: str, value: float) -> None:
        with _quiet(self._cv2):
            self._capture.set(getattr(self._cv2, f"CAP_PROP_{name}"), value)

    def _get(self, name: str) -> float:
        with _quiet(self._cv2):
            return float(self._capture.get(getattr(self._cv2, f"CAP_PROP_{name}")))


def _fourcc(name: str) -> int:
    if len(name) != 4 or not name.isascii():
        raise InputError(f"pixel_format on V4L2 has four letters (MJPG, YUYV), got {name}")
    return int.from_bytes(name.encode(), "little")


def _letters(fourcc: int) -> str:
    return fourcc.to_bytes(4, "little", signed=False).decode("ascii", "replace")


def _check_device(index: int) -> None:
    devices = list_devices()
    found = [device for device in devices if device.index == index]
    if not found:
        raise SourceError(
            f"there is no camera {index} (--camera {index}); {describe_devices(devices)}"
        )
    if not found[0].readable:
        raise SourceError(
            f"no permission to open /dev/video{index} ({found[0].name}); "
            "add the user to the group 'video' and log in again"
        )


@contextmanager
def _quiet(cv2: Any) -> Iterator[None]:
    """Keep OpenCV's own warnings about a device off stderr: our error says it better."""
    logging = cv2.utils.logging
    before = logging.getLogLevel()
    logging.setLogLevel(logging.LOG_LEVEL_ERROR)
    try:
        yield
    finally:
        logging.setLogLevel(before)
