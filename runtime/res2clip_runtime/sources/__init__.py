"""Where pictures come from: files, folders, videos, cameras and streams."""

from __future__ import annotations

from res2clip_runtime.sources.frame import Frame
from res2clip_runtime.sources.opening import open_source
from res2clip_runtime.sources.settings import CameraSettings
from res2clip_runtime.sources.source import Source

__all__ = ["CameraSettings", "Frame", "Source", "open_camera", "open_source"]


def open_camera(index: int) -> Source:
    """Return the live pictures of the local camera ``/dev/video<index>``.

    Raises:
        MissingExtraError: OpenCV is not installed.
        SourceError: there is no such camera, or it gives no pictures.
    """
    from res2clip_runtime.sources.v4l2_camera import V4l2Camera

    return V4l2Camera(index)
