"""Which cameras this machine reaches, by every library that is installed."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from res2clip_runtime.errors import MissingExtraError, Res2ClipError
from res2clip_runtime.sources.v4l2 import list_devices

__all__ = ["CamerasOfKind", "FoundCamera", "find_cameras"]

_PRODUCER_PATHS = ("GENICAM_GENTL64_PATH", "GENICAM_GENTL32_PATH")
"""Where makers' drivers write down the folders of their GenTL producers (GenTL standard, 3.2)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundCamera:
    """One camera that answered."""

    place: str
    """What to give with ``--camera``."""
    name: str
    """Maker, model, serial number."""
    note: str = ""
    """Why it may not work; empty if nothing is known against it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CamerasOfKind:
    """What one library finds."""

    kind: str
    """``v4l2``, ``aravis``, ``pylon`` or ``gentl``."""
    cameras: tuple[FoundCamera, ...] = field(default=())
    """Those that it finds."""
    problem: str = ""
    """Why it cannot look, with the command that installs it; empty if it could."""

    def to_json(self) -> dict[str, object]:
        """Return it as JSON's types."""
        cameras = [{"place": c.place, "name": c.name, "note": c.note} for c in self.cameras]
        return {"kind": self.kind, "cameras": cameras, "problem": self.problem}


def find_cameras(producers: Sequence[Path] = ()) -> tuple[CamerasOfKind, ...]:
    """Return what each library finds; Aravis and pylon ask the networks by broadcast.

    Args:
        producers: GenTL producers (``.cti``) besides those that the makers' drivers announce.
    """
    return (
        _asked("v4l2", _v4l2),
        _asked("aravis", _aravis),
        _asked("pylon", _pylon),
        _asked("gentl", lambda: _gentl(producers)),
    )


def _asked(kind: str, find: Callable[[], list[FoundCamera]]) -> CamerasOfKind:
    try:
        return CamerasOfKind(kind=kind, cameras=tuple(find()))
    except Res2ClipError as err:
        return CamerasOfKind(kind=kind, problem=str(err))
    except Exception as err:  # a maker's library raises whatever it likes
        return CamerasOfKind(kind=kind, problem=f"{type(err).__name__}: {err}")


def _v4l2() -> list[FoundCamera]:
    try:
        import cv2  # noqa: F401
    except ImportError as err:
        raise MissingExtraError(
            "opencv-python-headless", extra="camera", purpose="reading a camera"
        ) from err
    return [
        FoundCamera(
            place=str(device.index),
            name=device.name,
            note="" if device.readable else "no permission: sudo usermod -aG video $USER",
        )
        for device in list_devices()
    ]


def _aravis() -> list[FoundCamera]:
    from res2clip_runtime.sources.gi_modules import gi_module

    aravis = gi_module("Aravis", "0.8")
    aravis.update_device_list()
    found = []
    for index in range(aravis.get_n_devices()):
        about = (
            aravis.get_device_vendor(index),
            aravis.get_device_model(index),
            aravis.get_device_serial_nbr(index),
        )
        # USB3 Vision has no address that stays the same.
        gige = aravis.get_device_protocol(index) == "GigEVision"
        found.append(
            FoundCamera(
                place=f"gige://{aravis.get_device_address(index)}"
                if gige
                else f"aravis:{aravis.get_device_id(index)}",
                name=" ".join(part for part in about if part),
            )
        )
    return found


def _pylon() -> list[FoundCamera]:
    from res2clip_runtime.sources.pylon_camera import pylon_library

    devices = pylon_library().pylon.TlFactory.GetInstance().EnumerateDevices()
    return [
        FoundCamera(
            place=f"pylon://{device.GetSerialNumber()}",
            name=f"{device.GetVendorName()} {device.GetModelName()} {device.GetSerialNumber()}",
        )
        for device in devices
    ]


def _gentl(producers: Sequence[Path]) -> list[FoundCamera]:
    from res2clip_runtime.sources.gentl_camera import open_producer

    found = []
    for path in (*producers, *_announced_producers()):
        harvester = open_producer(path)
        try:
            found += [
                FoundCamera(
                    place=f"gentl:{path}#{device.id_}",
                    name=f"{device.vendor} {device.model} {device.serial_number}",
                )
                for device in harvester.device_info_list
            ]
        finally:
            harvester.reset()
    return found


def _announced_producers() -> list[Path]:
    """Return the ``.cti`` files in the folders that the environment names, each once."""
    folders = [
        Path(folder)
        for variable in _PRODUCER_PATHS
        for folder in os.environ.get(variable, "").split(os.pathsep)
        if folder
    ]
    return sorted({path for folder in folders for path in folder.glob("*.cti")})
