"""Where pictures come from: picture files, folders, globs, video files and cameras."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from res2clip_runtime.errors import ArtefactNotFoundError, InputError
from res2clip_runtime.sources.frame import Frame
from res2clip_runtime.sources.picture_files import PictureFiles
from res2clip_runtime.sources.picture_paths import VIDEO_SUFFIXES, find_pictures, is_pattern
from res2clip_runtime.sources.settings import CameraSettings
from res2clip_runtime.sources.source import Source

__all__ = ["CameraSettings", "Frame", "Source", "open_camera", "open_source"]


def open_source(
    place: str, *, exclude: Sequence[Path] = (), settings: CameraSettings | None = None
) -> Source:
    """Return the pictures at ``place``: a picture, a folder (with its subfolders), a glob, a video.

    Args:
        place: what the user gave with ``--source``.
        exclude: folders inside ``place`` that are left out (the results of an earlier run).
        settings: how a camera or stream is opened; pictures and videos need none.

    Raises:
        ArtefactNotFoundError: there is nothing at ``place``.
        InputError: ``place`` is something that cannot be read, such as a network stream.
        SourceError: it holds no pictures, or the video cannot be decoded.
        MissingExtraError: ``place`` is a video and PyAV is not installed.
    """
    path = Path(place)
    if "://" in place:
        kind = place.split("://", 1)[0]
        raise InputError(
            f"{kind}:// streams are not supported (--source {place}); "
            "give pictures, a folder, a glob or a video file, or a local camera with --camera N"
        )
    if path.is_file() and path.suffix.lower() in VIDEO_SUFFIXES:
        from res2clip_runtime.sources.video_file import VideoFile

        return VideoFile(path)
    if not path.exists() and not is_pattern(place):
        hint = f"a camera is given with --camera {place}" if place.isdigit() else "check the path"
        raise ArtefactNotFoundError(f"there is nothing at {place} (--source); {hint}")
    return PictureFiles(find_pictures(place, subfolders=True, exclude=exclude), place)


def open_camera(index: int) -> Source:
    """Return the live pictures of the local camera ``/dev/video<index>``.

    Raises:
        MissingExtraError: OpenCV is not installed.
        SourceError: there is no such camera, or it gives no pictures.
    """
    from res2clip_runtime.sources.camera import Camera

    return Camera(index)
