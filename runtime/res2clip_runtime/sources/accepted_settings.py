"""Which settings each kind of place takes, so that none is ignored in silence."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from res2clip_runtime.errors import InputError
from res2clip_runtime.sources.settings import CameraSettings

__all__ = ["STREAM_SCHEMES", "refuse_ignored_settings"]

STREAM_SCHEMES = ("rtsp", "rtsps", "http", "https", "rtmp", "rtp", "udp", "srt", "tcp")
"""What FFmpeg opens over the network."""
_SIZE = ("width", "height")
_IMAGING = (*_SIZE, "fps", "exposure_us", "gain")
_LOGIN = ("user", "password_env", "password_file")
_STREAM = (*_SIZE, *_LOGIN, "ca_file")
_GENICAM = (*_IMAGING, "pixel_format", "features", "trigger")
_TAKEN: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "watch": (),
        "v4l2": (*_IMAGING, "pixel_format"),
        "csi": _IMAGING,
        "gst": _SIZE,
        **dict.fromkeys(("gige", "aravis", "pylon", "gentl"), _GENICAM),
        **dict.fromkeys(STREAM_SCHEMES, _STREAM),
        **dict.fromkeys(("rtsp", "rtsps"), (*_STREAM, "transport")),
    }
)
_FOR_ALL = ("connect_timeout_s", "read_timeout_s")
"""Longest waits: they ask nothing of a camera, and where nothing is waited for, nothing is lost."""


def refuse_ignored_settings(place: str, settings: CameraSettings) -> None:
    """Refuse what is set but would have no effect on what is at ``place``.

    Raises:
        InputError: a setting is none that this kind of camera, stream or folder takes.
    """
    kind = _kind(place)
    if kind is None:
        return
    taken = _TAKEN.get(kind, ())
    for field in dataclasses.fields(CameraSettings):
        value = getattr(settings, field.name)
        if field.name in (*taken, *_FOR_ALL) or value == _default(field):
            continue
        what = f"a {kind}: source" if kind in _TAKEN else "a folder, picture or video"
        shown = f'"{value}"' if isinstance(value, (str, Path)) else value
        # The value of a login is nobody's business.
        given = field.name if field.name in _LOGIN else f"{field.name} = {shown}"
        raise InputError(
            f"{what} has no {field.name} ({given}); leave it out, "
            f"it takes: {', '.join(taken) or 'no settings'}"
        )


def _kind(place: str) -> str | None:
    """Return the scheme of ``place``, ``files``, or None where nothing can be opened anyway."""
    scheme, colon, rest = place.partition(":")
    if colon and scheme in _TAKEN and (scheme not in STREAM_SCHEMES or rest.startswith("//")):
        return scheme
    if place.isdigit() and not Path(place).exists():
        return "v4l2"
    return None if "://" in place and not Path(place).exists() else "files"


def _default(field: dataclasses.Field[object]) -> object:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default
