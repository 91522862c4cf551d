"""A source that runs any GStreamer pipeline, over ``gi``."""

from __future__ import annotations

import time
from typing import Any

from res2clip_runtime.errors import InputError, SourceEnded, SourceError
from res2clip_runtime.preprocess import PictureU8
from res2clip_runtime.sources.frame import Frame, LiveFrames
from res2clip_runtime.sources.gi_modules import gi_module
from res2clip_runtime.sources.pixel_formats import to_rgb
from res2clip_runtime.sources.settings import CameraSettings
from res2clip_runtime.sources.source import Source

__all__ = ["GstreamerPipeline"]

_TAIL = "videoconvert ! video/x-raw,format=RGB ! appsink name=res2clip sync=false"


class GstreamerPipeline(Source):
    """Pictures at the end of a pipeline, which is written as for ``gst-launch-1.0``, without sink.

    One with a live element gives the newest picture; one that reads files gives every picture and
    ends.
    """

    def __init__(
        self, pipeline: str, settings: CameraSettings | None = None, *, name: str = "gst"
    ) -> None:
        """Start the pipeline.

        Args:
            pipeline: such as ``videotestsrc is-live=true ! video/x-raw,width=640``.
            settings: the size that is expected, and the time in which it must have started.
            name: what it is called in messages and frame ids.

        Raises:
            MissingExtraError: GStreamer or ``gi`` is not installed.
            InputError: it is no pipeline.
            SourceError: it does not start.
        """
        settings = settings or CameraSettings()
        if settings.trigger != "off":
            raise InputError(
                f'{name} has no trigger (trigger = "{settings.trigger}"); let it run freely'
            )
        self._gst: Any = gi_module("Gst", "1.0")
        gi_module("GstApp", "1.0")  # gives the sink its methods
        self._name, self._frames = name, LiveFrames(name, settings)
        self._gst.init(None)
        self._pipeline = self._parsed(pipeline)
        self._sink = self._pipeline.get_by_name("res2clip")
        try:
            self._start(settings)
        except SourceError:
            self.close()
            raise

    def describe(self) -> str:
        """Return the name and what flows."""
        pad = self._sink.get_static_pad("sink")
        caps = pad.get_current_caps()
        if caps is None:
            return f"{self._name} (GStreamer)"
        shape = caps.get_structure(0)
        size = f"{shape.get_value('width')} x {shape.get_value('height')} px"
        return f"{self._name} ({size}, GStreamer)"

    def read(self, timeout_s: float) -> Frame | None:
        """Return the newest picture, of files the next; see :class:`Source`."""
        sample = self._sink.try_pull_sample(max(0, int(timeout_s * self._gst.SECOND)))
        if sample is not None:
            arrived_s = time.monotonic() - self._age_s(sample)
            return self._frames.frame(self._rgb(sample), arrived_s=arrived_s)
        if reason := self._error():
            raise SourceError(f"{self._name} broke off: {reason}; check what the pipeline reads")
        if self._sink.is_eos():
            if self.live:
                raise SourceError(f"{self._name} has ended; is the camera switched off?")
            raise SourceEnded(f"{self._name} has given all its pictures")
        return None

    def close(self) -> None:
        """Stop the pipeline."""
        self._pipeline.set_state(self._gst.State.NULL)

    def _parsed(self, pipeline: str) -> Any:
        error = gi_module("GLib", "2.0").Error
        try:
            parsed = self._gst.parse_launch(f"{pipeline} ! {_TAIL}")
        except error as err:
            raise InputError(
                f"{self._name}: GStreamer does not take the pipeline: {err.message}; try it with "
                f"gst-launch-1.0 {pipeline} ! fakesink"
            ) from err
        return parsed

    def _start(self, settings: CameraSettings) -> None:
        state, change = self._gst.State, self._gst.StateChangeReturn
        self._pipeline.set_state(state.PAUSED)
        timeout = int(settings.connect_timeout_s * self._gst.SECOND)
        answer, _, _ = self._pipeline.get_state(timeout)
        if answer in (change.FAILURE, change.ASYNC):
            reason = self._error() or f"nothing came within {settings.connect_timeout_s:g} s"
            raise SourceError(f"{self._name} does not start: {reason}; check what it reads")
        # What does not wait for anybody cannot be held back either.
        self.live = answer == change.NO_PREROLL
        self._sink.set_property("drop", self.live)
        self._sink.set_property("max-buffers", 1 if self.live else 4)
        self._pipeline.set_state(state.PLAYING)

    def _error(self) -> str:
        """Return what the pipeline reports, empty if nothing."""
        message = self._pipeline.get_bus().pop_filtered(self._gst.MessageType.ERROR)
        return "" if message is None else str(message.parse_error()[0].message)

    def _age_s(self, sample: Any) -> float:
        """Return how long ago a live source made the picture, by the pipeline's own clock."""
        made = sample.get_segment().to_running_time(self._gst.Format.TIME, sample.get_buffer().pts)
        clock = self._pipeline.get_clock()
        if not self.live or clock is None or made == self._gst.CLOCK_TIME_NONE:
            return 0.0
        now = clock.get_time() - self._pipeline.get_base_time()
        return max(0.0, (now - made) / float(self._gst.SECOND))

    def _rgb(self, sample: Any) -> PictureU8:
        shape, buffer = sample.get_caps().get_structure(0), sample.get_buffer()
        width, height = shape.get_value("width"), shape.get_value("height")
        # Buffer.map answers in two ways, depending on whether Gst's overrides are installed.
        data = buffer.extract_dup(0, buffer.get_size())
        # GStreamer fills up rows to multiples of 4 bytes.
        return to_rgb(data, "RGB8", width=width, height=height, stride=len(data) // height)
