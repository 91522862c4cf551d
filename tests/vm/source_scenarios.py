"""What happens to a real V4L2 camera; run inside a virtual machine that has one."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager

import numpy as np
from line.components.child import await_true
from vm.camera_faults import broken_stream, unplugged

from res2clip_runtime.errors import Res2ClipError
from res2clip_runtime.sources import CameraSettings, open_source
from res2clip_runtime.sources.v4l2 import list_devices

SMALL = CameraSettings(width=640, height=360)


def everything() -> dict:
    """One boot for all of it."""
    answers: dict[str, object] = {"devices": [device.name for device in list_devices()]}
    for name, place, settings in (
        ("as it is", "0", CameraSettings()),
        ("set", "v4l2:///dev/video0", CameraSettings(width=640, height=360, fps=15)),
        ("format", "v4l2:0", CameraSettings(pixel_format="YUYV")),
        ("no such format", "0", CameraSettings(pixel_format="MJPG")),
        ("no such size", "0", CameraSettings(width=641)),
        ("no exposure", "0", CameraSettings(exposure_us=5000)),
        ("automatic gain", "0", CameraSettings(gain=100)),
        ("no V4L2 format", "0", CameraSettings(pixel_format="BayerRG8")),
    ):
        answers[name] = pictures(place, settings)
    answers["fatal error"] = lost_and_found(broken_stream(0))
    answers["unplugged"] = lost_and_found(unplugged())
    return answers


def pictures(place: str, settings: CameraSettings) -> dict | str:
    try:
        with open_source(place, settings=settings) as source:
            frames = [source.read(10.0) for _ in range(3)]
            age_s = time.monotonic() - frames[-1].captured_monotonic_s
            images = [np.asarray(frame.image) for frame in frames]
            return {
                "describe": source.describe(),
                "age_s": age_s,
                "ids": len({frame.frame_id for frame in frames}),
                "shape": images[0].shape,
                "bars": images[0][-40, 40 :: images[0].shape[1] // 8].tolist(),
            }
    except Res2ClipError as err:
        return f"{type(err).__name__}: {err}"


def lost_and_found(fault: AbstractContextManager[None]) -> dict:
    answers: dict[str, object] = {}
    source = open_source("0", settings=SMALL)
    source.read(10.0)
    with fault:
        start = time.monotonic()
        try:
            while time.monotonic() < start + 20:
                source.read(0.2)
        except Res2ClipError as err:
            answers["lost"] = str(err)
        answers["lost_after_s"] = time.monotonic() - start
        source.close()
        answers["while away"] = pictures("0", SMALL)
    await_true(list_devices, "there is a camera")
    answers["again"] = pictures("0", SMALL)
    return answers
