"""A source that reads a GenICam camera (GigE Vision, USB3 Vision) with Aravis, over ``gi``."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from res2clip_runtime.errors import InputError, SourceError
from res2clip_runtime.sources.frame import Frame, LiveFrames
from res2clip_runtime.sources.genicam_settings import configure
from res2clip_runtime.sources.gi_modules import gi_module
from res2clip_runtime.sources.pixel_formats import to_rgb
from res2clip_runtime.sources.settings import CameraSettings
from res2clip_runtime.sources.source import Source

__all__ = ["AravisCamera"]

_BUFFERS = 8
_NEWER_S = 10.0
"""A picture is newer; an age beyond that tells of a clock that was set."""
_FREEING_S = 1.0
"""Longest wait for a camera to be freed."""


class AravisCamera(Source):
    """Pictures of one camera; Aravis receives them in a thread of its own."""

    live = True

    def __init__(self, name: str | None, settings: CameraSettings | None = None) -> None:
        """Open the camera and start it.

        Args:
            name: its network address, or its id as ``res2clip-run cameras`` lists it; None takes
                the first that is found.
            settings: what is asked of it.

        Raises:
            MissingExtraError: Aravis or ``gi`` is not installed.
            InputError: the camera lacks what is asked for.
            SourceError: it does not answer, belongs to another program, or refuses a setting.
        """
        settings = settings or CameraSettings()
        self._aravis, self._error = gi_module("Aravis", "0.8"), gi_module("GLib", "2.0").Error
        self._name = f"the camera {name}" if name else "the first camera"
        self._free_run = settings.trigger == "off"
        self.waits = not self._free_run
        self.has_trigger = settings.trigger == "software"
        self._lost = threading.Event()
        self._camera: Any = None
        self._stream: Any = None
        try:
            with self._reporting("does not answer"):
                self._camera = self._aravis.Camera.new(name)
            self._start(settings)
        except (InputError, SourceError):
            self.close()
            raise
        self._frames = LiveFrames(f"aravis-{name or self._serial}", settings)

    @property
    def damaged(self) -> int:  # type: ignore[override]
        """Pictures that came without some of their packets."""
        return self._frames.damaged

    def describe(self) -> str:
        """Return maker, model, serial number, size and pixel format."""
        return self._description

    def read(self, timeout_s: float) -> Frame | None:
        """Return the newest picture; in triggered mode the next one; see :class:`Source`."""
        end = time.monotonic() + timeout_s
        while True:
            buffer = self._wait(end - time.monotonic())
            if buffer is None:
                if self._lost.is_set():
                    raise SourceError(f"{self._name} is lost; check its cable and power")
                return None
            if self._free_run and (buffer := self._newest(buffer)) is None:
                continue
            try:
                if frame := self._taken(buffer):
                    return frame
            finally:
                self._stream.push_buffer(buffer)

    def trigger(self) -> None:
        """Take one picture now; see :class:`Source`."""
        if not self.has_trigger:
            super().trigger()
        while late := self._stream.try_pop_buffer():
            self.dropped += 1
            self._stream.push_buffer(late)
        with self._reporting("does not take the trigger"):
            self._camera.software_trigger()

    def close(self) -> None:
        """Stop and free the camera.

        Aravis tries for up to 8 s to tell a camera that is gone. That goes on in a thread, so that
        nobody waits longer than a second to hear of the loss.
        """
        if self._camera is None:
            return
        handles = [self._stream, self._camera]
        self._stream = self._camera = None
        thread = threading.Thread(target=self._free, args=[handles], name="free", daemon=True)
        thread.start()
        thread.join(_FREEING_S)

    def _free(self, handles: list[Any]) -> None:
        """Stop and drop the stream and the camera, the last references to them."""
        stream, camera = handles
        handles.clear()
        if stream is not None and not self._lost.is_set():
            with suppress(self._error):  # it may be gone; then there is nothing to stop
                camera.stop_acquisition()
        del stream, camera

    def _start(self, settings: CameraSettings) -> None:
        camera, device = self._camera, self._camera.get_device()
        configure(_AravisFeatures(camera, self._error), settings, self._name)
        device.connect("control-lost", _Setter(self._lost))
        with self._reporting("refuses to start"):
            self._format = camera.get_pixel_format_as_string()
            self._serial = camera.get_device_serial_number()
            _, _, width, height = _region(camera)
            self._description = (
                f"{camera.get_vendor_name()} {camera.get_model_name()} {self._serial} "
                f"({width} x {height} px, {self._format}, Aravis)"
            )
            self._stream = camera.create_stream(None, None)
            for _ in range(_BUFFERS):
                payload = self._aravis.Buffer.new_allocate(camera.get_payload())
                self._stream.push_buffer(payload)
            camera.start_acquisition()

    def _wait(self, timeout_s: float) -> Any:
        """Return the oldest buffer that is filled, or None after the timeout."""
        if timeout_s <= 0:
            return self._stream.try_pop_buffer()
        return self._stream.timeout_pop_buffer(int(1e6 * timeout_s))

    def _newest(self, buffer: Any) -> Any:
        """Return the newest buffer that is filled, or None if even that is old."""
        filled = 1
        while (newer := self._stream.try_pop_buffer()) is not None:
            filled += 1
            self.dropped += 1
            self._stream.push_buffer(buffer)
            buffer = newer
        if filled < _BUFFERS:
            return buffer
        # With every buffer full Aravis could keep nothing newer.
        self.dropped += 1
        self._stream.push_buffer(buffer)
        return None

    def _taken(self, buffer: Any) -> Frame | None:
        status = buffer.get_status()
        if status != self._aravis.BufferStatus.SUCCESS:
            self._frames.count_damaged(status.value_nick)
            return None
        if buffer.get_payload_type() not in (
            self._aravis.BufferPayloadType.IMAGE,
            self._aravis.BufferPayloadType.EXTENDED_CHUNK_DATA,
        ):
            self._frames.count_damaged(f"no picture but {buffer.get_payload_type().value_nick}")
            return None
        # Aravis stamps by the time of day when the first packet comes.
        age_s = (time.time_ns() - buffer.get_system_timestamp()) / 1e9
        arrived_s = time.monotonic() - age_s if 0 <= age_s < _NEWER_S else None
        data, height = buffer.get_data(), buffer.get_image_height()
        padded = hasattr(buffer, "get_image_padding") and buffer.get_image_padding()[0]
        image = to_rgb(
            data,
            self._format,
            width=buffer.get_image_width(),
            height=height,
            stride=len(data) // height if padded else None,
        )
        return self._frames.frame(image, arrived_s=arrived_s, device_time_ns=buffer.get_timestamp())

    @contextmanager
    def _reporting(self, what: str) -> Iterator[None]:
        try:
            yield
        except self._error as err:
            raise SourceError(
                f"{self._name} {what}: {err.message}; check cable, power and address, and that no "
                "other program has it ('res2clip-run cameras' lists those that answer)"
            ) from err


class _AravisFeatures:
    def __init__(self, camera: Any, error: type[Exception]) -> None:
        self._camera, self._device, self._error = camera, camera.get_device(), error

    def has(self, name: str) -> bool:
        try:
            return bool(self._camera.is_feature_available(name))
        except self._error:
            return False

    def choices(self, name: str) -> Sequence[str]:
        return list(self._camera.dup_available_enumerations_as_strings(name))

    def set(self, name: str, value: str) -> None:
        try:
            taken = self._device.set_features_from_string(f"{name}={value}")
        except self._error as err:
            raise SourceError(getattr(err, "message", str(err))) from err
        if not taken:
            raise SourceError(f"{name}={value} is not taken")


class _Setter:
    """Sets an event when a signal comes; without holding on to the camera that sends it."""

    def __init__(self, event: threading.Event) -> None:
        self._event = event

    def __call__(self, *unused: object) -> None:
        self._event.set()


def _region(camera: Any) -> tuple[int, int, int, int]:
    region = camera.get_region()
    return region.x, region.y, region.width, region.height
