"""A source that reads a local camera with OpenCV over V4L2 (extra ``camera``)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from res2clip_runtime.errors import MissingExtraError, SourceError
from res2clip_runtime.sources.frame import Frame, FrameNames
from res2clip_runtime.sources.source import Source
from res2clip_runtime.sources.v4l2 import describe_devices, list_devices

__all__ = ["Camera"]


class Camera(Source):
    """Live pictures of ``/dev/video<index>``; it never ends by itself."""

    live = True

    def __init__(self, index: int) -> None:
        """Open the camera.

        Raises:
            MissingExtraError: OpenCV is not installed.
            SourceError: there is no such camera, it is in use, or this user may not open it.
        """
        try:
            import cv2
        except ImportError as err:
            raise MissingExtraError(
                "opencv-python-headless", extra="camera", purpose="reading a camera"
            ) from err
        self._index = index
        self._names = FrameNames(f"camera{index}")
        self._cv2 = cv2
        self._check_device()
        with _quiet(cv2):
            self._capture: Any = cv2.VideoCapture(index, cv2.CAP_V4L2)
        if not self._capture.isOpened():
            raise SourceError(
                f"camera {index} exists but cannot be opened (--camera {index}); "
                "another program may be using it, or it is the second device of a camera; "
                f"{describe_devices(list_devices())}"
            )
        # One buffer: the picture inspected is the newest, not one from several frames ago.
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        self._width = int(self._capture.get(cv2.CAP_PROP_FRAME_WIDTH))
        self._height = int(self._capture.get(cv2.CAP_PROP_FRAME_HEIGHT))

    def describe(self) -> str:
        """Return number and picture size."""
        return f"camera {self._index} ({self._width} x {self._height} px)"

    def read(self, timeout_s: float) -> Frame | None:
        """Return the next picture; see :class:`Source`."""
        # It answers False at once when the camera is gone, so there is no waiting here.
        good, bgr = self._capture.read()
        if not good or bgr is None:
            raise SourceError(
                f"camera {self._index} gives no more pictures; check its cable and power"
            )
        return self._names.frame(np.ascontiguousarray(bgr[:, :, ::-1]))

    def close(self) -> None:
        """Free the camera."""
        with _quiet(self._cv2):
            self._capture.release()

    def _check_device(self) -> None:
        devices = list_devices()
        found = [device for device in devices if device.index == self._index]
        if not found:
            raise SourceError(
                f"there is no camera {self._index} (--camera {self._index}); "
                f"{describe_devices(devices)}"
            )
        if not found[0].readable:
            raise SourceError(
                f"no permission to open /dev/video{self._index} ({found[0].name}); "
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
