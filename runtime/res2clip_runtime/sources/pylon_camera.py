"""A source that reads a Basler camera with pypylon (extra ``pylon``)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from time import monotonic
from typing import Any

from res2clip_runtime.errors import InputError, MissingExtraError, SourceError
from res2clip_runtime.sources.frame import Frame, LiveFrames
from res2clip_runtime.sources.genicam_settings import configure
from res2clip_runtime.sources.pixel_formats import to_rgb
from res2clip_runtime.sources.settings import CameraSettings
from res2clip_runtime.sources.threaded_source import ThreadedSource

__all__ = ["PylonCamera", "pylon_library"]

_DISCOVERY_S = 10.0
"""pylon may look for its cameras on every network for seconds."""
_PATIENCE_MS = 200
"""How often the thread asks whether it should end."""
_READY_MS = 1000
"""Longest wait until the camera takes a trigger."""


def pylon_library() -> Any:
    """Return the package ``pypylon``, with its parts ``pylon`` and ``genicam`` imported.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import pypylon.genicam
        import pypylon.pylon
    except ImportError as err:
        raise MissingExtraError("pypylon", extra="pylon", purpose="a Basler camera") from err
    return pypylon


class PylonCamera(ThreadedSource):
    """Pictures of one Basler camera, or of pylon's emulated one (``PYLON_CAMEMU=1``)."""

    def __init__(self, serial: str | None, settings: CameraSettings | None = None) -> None:
        """Open the camera and start it.

        Args:
            serial: its serial number; None takes the first that is found.
            settings: what is asked of it.

        Raises:
            MissingExtraError: pypylon is not installed.
            InputError: the camera lacks what is asked for.
            SourceError: it is not there, belongs to another program, or refuses a setting.
        """
        settings = settings or CameraSettings()
        library = pylon_library()
        super().__init__(
            lambda: _Grabber(library, serial, settings),
            name=f"the Basler camera {serial}" if serial else "the first Basler camera",
            timeout_s=settings.connect_timeout_s + _DISCOVERY_S,
            trigger=settings.trigger,
        )

    @property
    def dropped(self) -> int:  # type: ignore[override]  # pylon drops some, too
        """Pictures that a newer one replaced before anybody read them."""
        handle = self._thread.handle
        return super().dropped + (handle.skipped if isinstance(handle, _Grabber) else 0)


class _Grabber:
    """pylon's camera; used by one thread, but for the trigger."""

    def __init__(self, library: Any, serial: str | None, settings: CameraSettings) -> None:
        self._pylon, self._error = library.pylon, library.genicam.GenericException
        self._name = f"the Basler camera {serial}" if serial else "the first Basler camera"
        self._free_run = settings.trigger == "off"
        self._camera: Any = None
        self.skipped = 0
        try:
            with self._reporting("cannot be opened"):
                self._open(serial)
            configure(_PylonFeatures(library, self._camera), settings, self._name)
            with self._reporting("refuses to start"):
                self._start()
        except (InputError, SourceError):
            self.close()
            raise
        self.frames = LiveFrames(f"pylon-{self._serial}", settings)

    def describe(self) -> str:
        return self._description

    def grab(self) -> Frame | None:
        with self._reporting("broke off"):
            result = self._camera.RetrieveResult(_PATIENCE_MS, self._pylon.TimeoutHandling_Return)
            if not result.IsValid():
                self._check_still_there()
                return None
            with result:
                return self._taken(result)

    def trigger(self) -> None:
        with self._reporting("does not take the trigger"):
            if self._camera.CanWaitForFrameTriggerReady():
                # Without waiting a trigger that comes too early is lost.
                self._camera.WaitForFrameTriggerReady(
                    _READY_MS, self._pylon.TimeoutHandling_ThrowException
                )
            self._camera.ExecuteSoftwareTrigger()

    def close(self) -> None:
        camera, self._camera = self._camera, None
        if camera is None:
            return
        with suppress(self._error):  # it may be gone; then there is nothing to stop
            camera.StopGrabbing()
            camera.Close()
        camera.DestroyDevice()

    def _open(self, serial: str | None) -> None:
        factory = self._pylon.TlFactory.GetInstance()
        if serial is None:
            device = factory.CreateFirstDevice()
        else:
            wanted = self._pylon.DeviceInfo()
            wanted.SetSerialNumber(serial)
            device = factory.CreateDevice(wanted)
        self._camera = self._pylon.InstantCamera(device)
        self._camera.Open()

    def _start(self) -> None:
        camera, pylon = self._camera, self._pylon
        info = camera.GetDeviceInfo()
        self._serial = info.GetSerialNumber()
        self._format = camera.PixelFormat.ToString()
        size = f"{camera.Width.Value} x {camera.Height.Value} px"
        model = f"{info.GetVendorName()} {info.GetModelName()}"
        self._description = f"{model} {self._serial} ({size}, {self._format}, pylon)"
        newest, each = pylon.GrabStrategy_LatestImageOnly, pylon.GrabStrategy_OneByOne
        camera.StartGrabbing(newest if self._free_run else each)

    def _taken(self, result: Any) -> Frame | None:
        arrived_s = monotonic()
        self.skipped += result.GetNumberOfSkippedImages()
        if not result.GrabSucceeded():
            self.frames.count_damaged(result.GetErrorDescription())
            return None
        whole, stride = result.GetStride()
        image = to_rgb(
            result.GetBuffer(),
            self._format,
            width=result.GetWidth(),
            height=result.GetHeight(),
            stride=stride if whole else None,
        )
        device_time_ns = result.GetTimeStamp() or None
        return self.frames.frame(image, arrived_s=arrived_s, device_time_ns=device_time_ns)

    def _check_still_there(self) -> None:
        if self._camera.IsCameraDeviceRemoved() or not self._camera.IsGrabbing():
            raise SourceError(f"{self._name} is lost; check its cable and power")

    @contextmanager
    def _reporting(self, what: str) -> Iterator[None]:
        try:
            yield
        except self._error as err:
            reason = str(err).partition(" : ")[0]
            raise SourceError(
                f"{self._name} {what}: {reason} Check cable and power, and that no other program "
                "has it ('res2clip-run cameras' lists those that are found)"
            ) from err


class _PylonFeatures:
    def __init__(self, library: Any, camera: Any) -> None:
        self._library, self._nodes = library, camera.GetNodeMap()

    def has(self, name: str) -> bool:
        return bool(self._library.genicam.IsWritable(self._nodes.GetNode(name)))

    def choices(self, name: str) -> Sequence[str]:
        return list(self._nodes.GetNode(name).Symbolics)

    def set(self, name: str, value: str) -> None:
        node = self._nodes.GetNode(name)
        try:
            if node.GetNode().GetPrincipalInterfaceType() == self._library.genicam.intfICommand:
                node.Execute()
            else:
                node.FromString(value)
        except self._library.genicam.GenericException as err:
            raise SourceError(str(err).partition(" : ")[0]) from err
