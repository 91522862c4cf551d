"""A camera's settings by GenICam's names (SFNC), the same for every library that reaches them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from res2clip_runtime.errors import InputError, SourceError
from res2clip_runtime.sources.settings import CameraSettings

__all__ = ["Features", "configure"]

_EXPOSURE = ("ExposureTime", "ExposureTimeAbs")
"""The name now, and that of cameras from before SFNC 2."""
_GAIN = ("Gain", "GainRaw")
_FPS = ("AcquisitionFrameRate", "AcquisitionFrameRateAbs")


class Features(Protocol):
    """The features of one camera."""

    def has(self, name: str) -> bool:
        """Return whether the camera has this feature and lets it be set."""

    def choices(self, name: str) -> Sequence[str]:
        """Return the values of an enumeration."""

    def set(self, name: str, value: str) -> None:
        """Set a feature, or execute a command.

        Raises:
            SourceError: the camera does not take it; the message holds its reason.
        """


def configure(features: Features, settings: CameraSettings, camera: str) -> None:
    """Set what ``settings`` ask of ``camera``; the trigger last.

    Raises:
        InputError: the camera lacks a feature that is asked for.
        SourceError: it does not take a value.
    """
    try:
        _set_all(features, settings, camera)
    except SourceError as err:
        raise SourceError(
            f"{camera} does not take a setting: {err}; see what it allows, and that no other "
            "program has it"
        ) from err


def _set_all(features: Features, settings: CameraSettings, camera: str) -> None:
    for name, value in settings.features.items():
        _demand(features, (name,), f"features.{name}", _text(value), camera)
    for name, asked in (
        ("Width", settings.width),
        ("Height", settings.height),
        ("PixelFormat", settings.pixel_format),
    ):
        if asked is not None:
            _demand(features, (name,), name, _text(asked), camera)
    if settings.exposure_us is not None:
        _set_if_there(features, "ExposureAuto", "Off")
        _demand(features, _EXPOSURE, "exposure_us", _text(settings.exposure_us), camera)
    if settings.gain is not None:
        _set_if_there(features, "GainAuto", "Off")
        _demand(features, _GAIN, "gain", _text(settings.gain), camera)
    if settings.fps is not None:
        _set_if_there(features, "AcquisitionFrameRateEnable", "1")
        _demand(features, _FPS, "fps", _text(settings.fps), camera)
    _set_if_there(features, "AcquisitionMode", "Continuous")
    _set_trigger(features, settings.trigger, camera)


def _set_trigger(features: Features, trigger: str, camera: str) -> None:
    """Turn every trigger off, and on again for a single frame if one is wanted."""
    if not features.has("TriggerMode"):
        if trigger != "off":
            raise InputError(f'{camera} has no trigger (trigger = "{trigger}"); use "off"')
        return
    selectors = features.choices("TriggerSelector") if features.has("TriggerSelector") else ()
    for selector in selectors:
        features.set("TriggerSelector", selector)
        _set_if_there(features, "TriggerMode", "Off")
    if not selectors:
        features.set("TriggerMode", "Off")
    if trigger == "off":
        return
    if "FrameStart" in selectors:
        features.set("TriggerSelector", "FrameStart")
    source = trigger[0].upper() + trigger[1:]  # Software, Line0
    known = features.choices("TriggerSource")
    if source not in known:
        raise InputError(
            f'{camera} has no trigger source {source} (trigger = "{trigger}"); '
            f"it has: {', '.join(known)}"
        )
    features.set("TriggerSource", source)
    _set_if_there(features, "TriggerActivation", "RisingEdge")
    features.set("TriggerMode", "On")


def _demand(features: Features, names: Sequence[str], asked: str, value: str, camera: str) -> None:
    for name in names:
        if features.has(name):
            try:
                features.set(name, value)
            except SourceError as err:
                raise SourceError(f"{asked} = {value}: {err}") from err
            return
    raise InputError(f"{camera} has no feature {' or '.join(names)} to be set ({asked} = {value})")


def _set_if_there(features: Features, name: str, value: str) -> None:
    if features.has(name):
        features.set(name, value)


def _text(value: str | int | float | bool) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    return value if isinstance(value, str) else f"{value:.10g}"
