"""From what the user typed to an open source."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from res2clip_runtime.errors import ArtefactNotFoundError, InputError
from res2clip_runtime.sources.picture_files import PictureFiles
from res2clip_runtime.sources.picture_paths import VIDEO_SUFFIXES, find_pictures, is_pattern
from res2clip_runtime.sources.settings import CameraSettings
from res2clip_runtime.sources.source import Source

__all__ = ["open_source"]


def open_source(
    place: str, *, exclude: Sequence[Path] = (), settings: CameraSettings | None = None
) -> Source:
    """Return the pictures at ``place``, opened.

    Files: a picture, a folder (with its subfolders), a glob, a video; ``watch:DIR`` for those that
    will appear. Cameras: ``0`` or ``v4l2:///dev/video0``; ``csi://0`` and ``gst:PIPELINE``
    (GStreamer); ``gige://ADDRESS`` and ``aravis:ID``; ``pylon://SERIAL``;
    ``gentl:FILE.cti#SERIAL``. Streams: ``rtsp://``, ``http://`` and what else FFmpeg opens.

    Args:
        place: what the user gave with ``--source`` or ``--camera``.
        exclude: folders inside ``place`` that are left out (the results of an earlier run).
        settings: how a camera or stream is opened; pictures and videos need none.

    Raises:
        ArtefactNotFoundError: there is nothing at ``place``.
        InputError: ``place`` is nothing that gives pictures, or the settings do not fit it.
        SourceError: it gives no pictures.
        MissingExtraError: what reads it is not installed.
    """
    settings = settings or CameraSettings()
    path = Path(place)
    if path.is_file() and path.suffix.lower() in VIDEO_SUFFIXES:
        from res2clip_runtime.sources.video_file import VideoFile

        return VideoFile(path)
    if path.exists():
        return PictureFiles(find_pictures(place, subfolders=True, exclude=exclude), place)
    if place.isdigit():
        return _v4l2(place, settings)
    scheme, colon, _ = place.partition(":")
    if colon and scheme in _KINDS:
        return _KINDS[scheme](place, settings)
    if "://" in place:
        raise InputError(
            f"{scheme}:// is nothing that gives pictures; known: {' '.join(sorted(_KINDS))}"
        )
    if not is_pattern(place):
        raise ArtefactNotFoundError(f"there is nothing at {place} (--source); check the path")
    return PictureFiles(find_pictures(place, subfolders=True, exclude=exclude), place)


def _v4l2(place: str, settings: CameraSettings) -> Source:
    from res2clip_runtime.sources.v4l2_camera import V4l2Camera, index_of

    return V4l2Camera(index_of(place), settings)


def _stream(place: str, settings: CameraSettings) -> Source:
    from res2clip_runtime.sources.stream import Stream

    return Stream(place, settings)


def _gige(place: str, settings: CameraSettings) -> Source:
    from res2clip_runtime.sources.aravis_camera import AravisCamera

    address = _after(place)
    if not address:
        raise InputError("gige:// names no camera; give its address, such as gige://192.168.0.10")
    return AravisCamera(address, settings)


def _aravis(place: str, settings: CameraSettings) -> Source:
    from res2clip_runtime.sources.aravis_camera import AravisCamera

    return AravisCamera(_after(place) or None, settings)


def _pylon(place: str, settings: CameraSettings) -> Source:
    from res2clip_runtime.sources.pylon_camera import PylonCamera

    return PylonCamera(_after(place) or None, settings)


def _gentl(place: str, settings: CameraSettings) -> Source:
    from res2clip_runtime.sources.gentl_camera import GentlCamera

    producer, _, camera = _after(place).partition("#")
    if not producer:
        raise InputError("gentl: names no producer; give gentl:FILE.cti or gentl:FILE.cti#SERIAL")
    return GentlCamera(Path(producer), camera or None, settings)


def _after(place: str) -> str:
    """Return what follows the scheme: the same for ``pylon:X`` and ``pylon://X``."""
    return place.partition(":")[2].removeprefix("//")


_KINDS: dict[str, Callable[[str, CameraSettings], Source]] = {
    "v4l2": _v4l2,
    "gige": _gige,
    "aravis": _aravis,
    "pylon": _pylon,
    "gentl": _gentl,
    **dict.fromkeys(
        ("rtsp", "rtsps", "http", "https", "rtmp", "rtp", "udp", "srt", "tcp"), _stream
    ),
}
"""What opens each scheme; imported only then, for their libraries are optional."""
