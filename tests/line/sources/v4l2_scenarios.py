"""What happens to a real V4L2 camera; run inside a virtual machine that has one."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from res2clip_runtime.errors import Res2ClipError
from res2clip_runtime.sources import CameraSettings, open_source
from res2clip_runtime.sources.v4l2 import list_devices

SMALL = CameraSettings(width=640, height=360)
DRIVER = Path("/sys/bus/platform/drivers/vivid")


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
    answers["fatal error"] = lost_and_found(fatal_error, lambda: None)
    answers["unplugged"] = lost_and_found(lambda: driver("unbind"), lambda: driver("bind"))
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


def lost_and_found(break_it: Callable[[], None], mend_it: Callable[[], None]) -> dict:
    answers: dict[str, object] = {}
    source = open_source("0", settings=SMALL)
    source.read(10.0)
    break_it()
    start = time.monotonic()
    try:
        while time.monotonic() < start + 20:
            source.read(0.2)
    except Res2ClipError as err:
        answers["lost"] = str(err)
    answers["lost_after_s"] = time.monotonic() - start
    source.close()
    answers["while away"] = pictures("0", SMALL)
    mend_it()
    end = time.monotonic() + 20
    while not list_devices() and time.monotonic() < end:
        time.sleep(0.05)
    answers["again"] = pictures("0", SMALL)
    return answers


def fatal_error() -> None:
    command = ["v4l2-ctl", "-d", "0", "-c", "inject_fatal_streaming_error=1"]
    subprocess.run(command, check=True)


def driver(what: str) -> None:
    (DRIVER / what).write_text("vivid.0")
