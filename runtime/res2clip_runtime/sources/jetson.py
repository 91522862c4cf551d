"""The GStreamer pipeline of a camera on a Jetson's CSI connector."""

from __future__ import annotations

from fractions import Fraction

from res2clip_runtime.sources.settings import CameraSettings

__all__ = ["csi_pipeline"]

_SIZE_PX, _FPS = (1920, 1080), 30.0
"""What every common sensor has, where the settings say nothing."""


def csi_pipeline(sensor: int, settings: CameraSettings) -> str:
    """Return the pipeline of sensor ``sensor``: libargus, colours and scaling by the hardware.

    NVIDIA, Accelerated GStreamer (Jetson Linux Developer Guide): nvarguscamerasrc, nvvidconv.
    """
    fps = Fraction(settings.fps or _FPS).limit_denominator(1001)
    width, height = settings.width or _SIZE_PX[0], settings.height or _SIZE_PX[1]
    source = f"nvarguscamerasrc sensor-id={sensor}"
    if settings.exposure_us is not None:
        exposure_ns = round(settings.exposure_us * 1000)
        source += f' exposuretimerange="{exposure_ns} {exposure_ns}"'
    if settings.gain is not None:
        source += f' gainrange="{settings.gain:g} {settings.gain:g}"'
    return (
        f"{source} ! video/x-raw(memory:NVMM),width={width},height={height},"
        f"framerate={fps.numerator}/{fps.denominator},format=NV12 ! "
        "nvvidconv ! video/x-raw,format=BGRx"
    )
