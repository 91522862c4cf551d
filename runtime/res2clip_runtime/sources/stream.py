"""A source that reads a network stream (RTSP, MJPEG over HTTP, ...) with PyAV (extra ``video``)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from res2clip_runtime.errors import InputError, MissingExtraError, SourceError
from res2clip_runtime.sources.frame import Frame, LiveFrames
from res2clip_runtime.sources.settings import CameraSettings
from res2clip_runtime.sources.stream_address import with_password, without_password
from res2clip_runtime.sources.threaded_source import ThreadedSource

__all__ = ["Stream"]

_QUICK = {"analyzeduration": "500000", "probesize": "200000", "fflags": "discardcorrupt+nobuffer"}
"""Half a second and 200 kB tell what the stream is; the default takes 2 s."""
_NO_MJPEG = frozenset((".mp4", ".m3u8", ".mkv", ".ts", ".flv", ".mov", ".webm", ".avi", ".mpd"))


class Stream(ThreadedSource):
    """The newest picture of a stream; its packets are read in a thread of its own."""

    def __init__(self, url: str, settings: CameraSettings | None = None) -> None:
        """Connect.

        Raises:
            MissingExtraError: PyAV is not installed.
            InputError: the address or its password is not usable.
            SourceError: nobody answers in time, the password is wrong, or it is no video.
        """
        settings = settings or CameraSettings()
        try:
            import av
        except ImportError as err:
            raise MissingExtraError("av", extra="video", purpose="reading a stream") from err
        shown, secret = without_password(url), with_password(url, settings)
        super().__init__(
            lambda: _Connection(av, secret, shown, settings),
            name=shown,
            # Connecting, and then finding out what is sent.
            timeout_s=settings.connect_timeout_s + settings.read_timeout_s + 1,
            # A server that hangs is waited for no longer than the read timeout.
            close_s=settings.read_timeout_s + 1,
        )


class _Connection:
    """PyAV's container; used by one thread."""

    def __init__(self, av: Any, url: str, shown: str, settings: CameraSettings) -> None:
        self._av, self._shown = av, shown
        self._container = self._open(url, settings)
        video = self._container.streams.video
        if not video:
            self._container.close()
            raise SourceError(f"{shown} sends no video; check the address")
        # Not AUTO: a decoder with several pictures at work gives each of them late.
        video[0].thread_type = "SLICE"
        self._size = f", {video[0].width} x {video[0].height} px" if video[0].width else ""
        self._timeout_s = settings.read_timeout_s
        self.frames = LiveFrames(_name_of(shown), settings)
        self._packets: Iterator[Any] = self._container.demux(video[0])
        self._pictures: list[Any] = []
        self._arrived_s = 0.0

    def describe(self) -> str:
        return f"{self._shown} (stream{self._size})"

    def grab(self) -> Frame | None:
        while not self._pictures:
            packet = self._next_packet()
            self._arrived_s = time.monotonic()
            try:
                self._pictures = packet.decode()
            except self._av.error.FFmpegError as err:
                self.frames.count_damaged(_why(err))
                return None
        picture = self._pictures.pop(0)
        if picture.is_corrupt:
            self.frames.count_damaged("the decoder says that they are")
            return None
        image = picture.to_ndarray(format="rgb24")
        return self.frames.frame(image, arrived_s=self._arrived_s)

    def close(self) -> None:
        self._container.close()

    def _next_packet(self) -> Any:
        start = time.monotonic()
        try:
            packet = next(self._packets, None)
        except self._av.error.ExitError:
            raise self._silent() from None
        except self._av.error.FFmpegError as err:
            raise SourceError(f"{self._shown} broke off: {_why(err)}") from None
        if time.monotonic() - start >= self._timeout_s:
            # What FFmpeg gives now lay in it since before the silence: it is old.
            raise self._silent()
        if packet is None or (packet.dts is None and packet.size == 0):
            raise SourceError(f"{self._shown} has ended; is it switched off?")
        return packet

    def _silent(self) -> SourceError:
        return SourceError(
            f"{self._shown} sent nothing for {self._timeout_s:g} s; check power and network"
        )

    def _open(self, url: str, settings: CameraSettings) -> Any:
        options = _options(url, settings)
        for container_format in _formats(url):
            try:
                return self._av.open(
                    url,
                    format=container_format,
                    options=options,
                    timeout=(settings.connect_timeout_s, settings.read_timeout_s),
                )
            except self._av.error.InvalidDataError:
                continue
            except (self._av.error.FFmpegError, ValueError) as err:
                raise _refused(self._shown, err) from None
        raise SourceError(
            f"{self._shown} does not answer in time, or sends no video that can be decoded"
        )


def _options(url: str, settings: CameraSettings) -> dict[str, str]:
    scheme, options = urlsplit(url).scheme, dict(_QUICK)
    if scheme in ("rtsp", "rtsps"):
        options["rtsp_transport"] = settings.transport
    if settings.ca_file is not None:
        if scheme != "https":
            raise InputError(f"ca_file is for https:// and not for {scheme}://; leave it out")
        if not settings.ca_file.is_file():
            raise InputError(f"ca_file {settings.ca_file} does not exist; check the path")
        options |= {"tls_verify": "1", "ca_file": str(settings.ca_file)}
    return options


def _formats(url: str) -> tuple[str | None, ...]:
    """Return FFmpeg's names to try: it does not find out by itself that HTTP carries MJPEG."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https"):
        return (None,)
    if PurePosixPath(parts.path).suffix.lower() in _NO_MJPEG:
        return (None,)
    return ("mpjpeg", None)


def _refused(shown: str, err: Exception) -> SourceError:
    kind = type(err).__name__
    if "Unauthorized" in kind or "Forbidden" in kind:
        return SourceError(
            f"{shown} wants another user or password; give them with user and password_env "
            "or password_file"
        )
    return SourceError(f"{shown} cannot be opened: {_why(err)}; check address, power and network")


def _why(err: Exception) -> str:
    """Return the reason without the address, which may hold a password.

    For the same reason none of FFmpeg's errors is the cause of ours: a traceback would show it.
    """
    return str(getattr(err, "strerror", None) or type(err).__name__)


def _name_of(shown: str) -> str:
    return "stream-" + "".join(c if c.isalnum() else "-" for c in shown.partition("://")[2])
