"""A source that reads a camera through its maker's GenTL producer, with harvesters (``gentl``)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic
from typing import Any

from res2clip_runtime.errors import (
    ArtefactNotFoundError,
    InputError,
    MissingExtraError,
    SourceError,
)
from res2clip_runtime.sources.frame import Frame, LiveFrames
from res2clip_runtime.sources.genicam_settings import configure
from res2clip_runtime.sources.pixel_formats import to_rgb
from res2clip_runtime.sources.settings import CameraSettings
from res2clip_runtime.sources.threaded_source import ThreadedSource

__all__ = ["GentlCamera", "open_producer"]

_DISCOVERY_S = 10.0
"""A producer may look for its cameras on every network for seconds."""
_PATIENCE_S = 0.2
"""How often the thread asks whether it should end."""


def open_producer(path: Path) -> Any:
    """Return a harvester with the producer's devices found; the caller calls ``reset``.

    Raises:
        MissingExtraError: harvesters is not installed.
        ArtefactNotFoundError: there is no such file.
        SourceError: it is no producer for this machine.
    """
    try:
        from harvesters.core import Harvester
    except ImportError as err:
        raise MissingExtraError(
            "harvesters", extra="gentl", purpose="a GenTL camera (gentl:)"
        ) from err
    if not path.is_file():
        raise ArtefactNotFoundError(
            f"there is no GenTL producer {path}; the maker's driver brings it, its folder is "
            "mostly in the variable GENICAM_GENTL64_PATH"
        )
    harvester = Harvester()
    try:
        harvester.add_file(str(path), check_validity=True)
        harvester.update()
    except Exception as err:  # GenTL's errors have no common root
        harvester.reset()
        raise SourceError(f"{path} is no GenTL producer for this machine: {err}") from err
    return harvester


class GentlCamera(ThreadedSource):
    """Pictures of one camera of a GenTL producer, the newest; in triggered mode each."""

    def __init__(
        self, producer: Path, name: str | None, settings: CameraSettings | None = None
    ) -> None:
        """Open the camera and start it.

        Args:
            producer: the maker's ``.cti`` file.
            name: the camera's serial number or id; None takes the first.
            settings: what is asked of it.

        Raises:
            MissingExtraError: harvesters is not installed.
            ArtefactNotFoundError: there is no such producer.
            InputError: the camera lacks what is asked for.
            SourceError: it is not there, belongs to another program, or refuses a setting.
        """
        settings = settings or CameraSettings()
        # In a thread, because harvesters waits by the time of day: a clock that is set back
        # lengthens its waiting.
        super().__init__(
            lambda: _Acquirer(producer, name, settings),
            name=f"the camera {name or '(the first)'} of {producer.name}",
            timeout_s=settings.connect_timeout_s + _DISCOVERY_S,
            trigger=settings.trigger,
        )


class _Acquirer:
    """Harvesters' camera; used by one thread, but for the trigger."""

    def __init__(self, producer: Path, name: str | None, settings: CameraSettings) -> None:
        self._name = f"the camera {name or '(the first)'} of {producer.name}"
        self._camera: Any = None
        self._harvester = open_producer(producer)
        try:
            with self._reporting("cannot be opened"):
                index = self._find(name, producer)
                self._camera = self._harvester.create(index)
            self._features = _GentlFeatures(self._camera.remote_device.node_map)
            configure(self._features, settings, self._name)
            with self._reporting("refuses to start"):
                self._describe(index)
                self._camera.start()
        except (InputError, SourceError):
            self.close()
            raise
        self.frames = LiveFrames(f"gentl-{self._id}", settings)

    def describe(self) -> str:
        return self._description

    def grab(self) -> Frame | None:
        with self._reporting("broke off"):
            buffer = self._camera.try_fetch(timeout=_PATIENCE_S)
            if buffer is None and not self._camera.is_acquiring():
                raise SourceError(f"{self._name} has stopped; check its cable and power")
            if buffer is None:
                return None
            with buffer:
                return self._taken(buffer)

    def trigger(self) -> None:
        with self._reporting("does not take the trigger"):
            self._features.set("TriggerSoftware", "1")

    def close(self) -> None:
        camera, self._camera = self._camera, None
        with suppress(Exception):  # it may be gone; then there is nothing to stop
            if camera is not None:
                camera.stop()
                camera.destroy()
        self._harvester.reset()

    def _find(self, name: str | None, producer: Path) -> int:
        devices = self._harvester.device_info_list
        for index, device in enumerate(devices):
            if name is None or name in (device.serial_number, device.id_):
                return index
        known = ", ".join(f"{d.id_} (serial {d.serial_number})" for d in devices) or "none"
        raise SourceError(f"{producer.name} finds no camera {name or ''}; it finds: {known}")

    def _describe(self, index: int) -> None:
        device, nodes = self._harvester.device_info_list[index], self._camera.remote_device
        size = f"{nodes.node_map.Width.value} x {nodes.node_map.Height.value} px"
        self._id = device.id_
        self._description = f"{device.vendor} {device.model} {device.id_} ({size}, GenTL)"

    def _taken(self, buffer: Any) -> Frame | None:
        if not buffer.payload.components:
            self.frames.count_damaged("it holds no picture")
            return None
        arrived_s, picture = monotonic(), buffer.payload.components[0]
        image = to_rgb(
            picture.data.view("u1"),
            picture.data_format,
            width=picture.width,
            height=picture.height,
        )
        return self.frames.frame(image, arrived_s=arrived_s, device_time_ns=_device_time_ns(buffer))

    @contextmanager
    def _reporting(self, what: str) -> Iterator[None]:
        try:
            yield
        except (InputError, SourceError):
            raise
        except Exception as err:  # GenTL's errors have no common root
            raise SourceError(
                f"{self._name} {what}: {err}; check cable and power, and that no other program "
                "has it ('res2clip-run cameras' lists those that are found)"
            ) from err


class _GentlFeatures:
    def __init__(self, nodes: Any) -> None:
        import genicam.genapi

        self._nodes, self._genapi = nodes, genicam.genapi

    def has(self, name: str) -> bool:
        return self._nodes.has_node(name) and self._genapi.is_writable(self._nodes.get_node(name))

    def choices(self, name: str) -> Sequence[str]:
        return list(self._nodes.get_node(name).symbolics)

    def set(self, name: str, value: str) -> None:
        node = self._nodes.get_node(name)
        try:
            node.execute() if hasattr(node, "execute") else node.from_string(value)
        except self._genapi.GenericException as err:
            raise SourceError(str(err).partition(" : ")[0]) from err


def _device_time_ns(buffer: Any) -> int | None:
    try:
        return int(buffer.module.timestamp_ns)
    except Exception:  # a producer need not have it, and says so in its own way
        return None
