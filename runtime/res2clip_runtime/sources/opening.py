"""From what the user typed to an open source."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from res2clip_runtime.errors import ArtefactNotFoundError, InputError
from res2clip_runtime.sources.accepted_settings import STREAM_SCHEMES, refuse_ignored_settings
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
        settings: how a camera or stream is opened; pictures and videos take none.

    Raises:
        ArtefactNotFoundError: there is nothing at ``place``.
        InputError: ``place`` is nothing that gives pictures, or the settings do not fit it.
        SourceError: it gives no pictures.
        MissingExtraError: what reads it is not installed.
    """
    settings = settings or CameraSettings()
    refuse_ignored_settings(place, settings)
    scheme, colon, rest = place.partition(":")
    if colon and scheme == "watch":
        return _watch(rest, exclude)
    if colon and scheme in _KINDS and (scheme not in STREAM_SCHEMES or rest.startswith("//")):
        return _KINDS[scheme](place, settings)
    path = Path(place)
    if path.is_file() and path.suffix.lower() in VIDEO_SUFFIXES:
        from res2clip_runtime.sources.video_file import VideoFile

        return VideoFile(path)
    if not path.exists():
        if place.isdigit():
            return _v4l2(place, settings)
        if "://" in place:
            known = " ".join(sorted((*_KINDS, "watch")))
            raise InputError(f"{scheme}:// is nothing that gives pictures; known: {known}")
        if not is_pattern(place):
            raise ArtefactNotFoundError(f"there is nothing at {place} (--source); check the path")
    return PictureFiles(find_pictures(place, subfolders=True, exclude=exclude), place)


def _watch(rest: str, exclude: Sequence[Path]) -> Source:
    from res2clip_runtime.sources.folder_watch import FolderWatch

    folder, _, which = rest.removeprefix("//").partition("#")
    if not folder or which not in ("", "all"):
        raise InputError(
            f"watch:{rest} names no folder; give watch:DIR, or watch:DIR#all to begin with the "
            "pictures that are there already"
        )
    return FolderWatch(Path(folder), existing=which == "all", exclude=exclude)


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


def _csi(place: str, settings: CameraSettings) -> Source:
    from res2clip_runtime.sources.gstreamer import GstreamerPipeline
    from res2clip_runtime.sources.jetson import csi_pipeline

    sensor = _after(place)
    if not sensor.isdigit():
        raise InputError(f"{place} is no camera of a Jetson; give csi://0, csi://1, ...")
    name = f"csi{sensor}"
    return GstreamerPipeline(csi_pipeline(int(sensor), settings), settings, name=name)


def _gst(place: str, settings: CameraSettings) -> Source:
    from res2clip_runtime.sources.gstreamer import GstreamerPipeline

    return GstreamerPipeline(place.removeprefix("gst:"), settings)


_KINDS: dict[str, Callable[[str, CameraSettings], Source]] = {
    "v4l2": _v4l2,
    "csi": _csi,
    "gst": _gst,
    "gige": _gige,
    "aravis": _aravis,
    "pylon": _pylon,
    "gentl": _gentl,
    **dict.fromkeys(STREAM_SCHEMES, _stream),
}
"""What opens each scheme; imported only then, for their libraries are optional."""
