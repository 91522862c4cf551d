"""A source that decodes a video file with PyAV (extra ``video``)."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from res2clip_runtime.errors import MissingExtraError, SourceEnded, SourceError
from res2clip_runtime.inspection import utc_now
from res2clip_runtime.preprocess import PictureU8
from res2clip_runtime.sources.frame import Frame
from res2clip_runtime.sources.source import Source

__all__ = ["VideoFile"]

logger = logging.getLogger(__name__)


class VideoFile(Source):
    """Every frame of a video file, upright."""

    def __init__(self, path: Path) -> None:
        """Open ``path``.

        Raises:
            MissingExtraError: PyAV is not installed.
            SourceError: it is no video, or damaged.
        """
        try:
            import av
        except ImportError as err:
            raise MissingExtraError("av", extra="video", purpose="reading a video file") from err
        self._path = path
        self._failure: type[Exception] = av.error.FFmpegError
        with self._reporting():
            self._container: Any = av.open(str(path))
        if not self._container.streams.video:
            self._container.close()
            raise SourceError(f"{path} holds no video, or is truncated; check the file")
        self._container.streams.video[0].thread_type = "AUTO"
        self._frames: Iterator[Any] = self._container.decode(video=0)
        self._given = 0

    @property
    def count(self) -> int | None:
        """Number of frames as the file's header says; None when it does not."""
        return int(self._container.streams.video[0].frames) or None

    def describe(self) -> str:
        """Return path, size and rate."""
        stream = self._container.streams.video[0]
        rate = f", {float(stream.average_rate):.4g} frames/s" if stream.average_rate else ""
        return f"{self._path} (video, {stream.width} x {stream.height} px{rate})"

    def read(self, timeout_s: float) -> Frame:
        """Return the next frame; see :class:`Source`."""
        with self._reporting():
            frame = next(self._frames, None)
        if frame is None:
            if self.count and self._given < self.count:
                # The decoder ends without an error where a file was cut off after its header.
                logger.warning(
                    "%s ended after %d of %d frames", self._path, self._given, self.count
                )
            raise SourceEnded(f"{self._path} has no more frames")
        name = f"{self._path.name}#{self._given:06d}"
        self._given += 1
        image = _upright(frame.to_ndarray(format="rgb24"), frame.rotation)
        return Frame(frame_id=name, image=image, captured_at=utc_now())

    def close(self) -> None:
        """Close the file."""
        self._container.close()

    @contextmanager
    def _reporting(self) -> Iterator[None]:
        try:
            yield
        except self._failure as err:
            what = getattr(err, "strerror", None) or err
            raise SourceError(
                f"{self._path} cannot be decoded: {what}; the video is damaged, truncated or none"
            ) from err


def _upright(image: PictureU8, rotation_deg: int) -> PictureU8:
    """Return the (H, W, 3) frame turned counter-clockwise by the file's display rotation."""
    return np.ascontiguousarray(np.rot90(image, k=round(rotation_deg / 90) % 4))
