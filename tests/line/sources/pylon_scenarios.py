"""What pylon's emulated camera does; each runs in a Python of its own in a private network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from line.components import pylon_emulation
from PIL import Image

from res2clip_runtime.errors import InputError, SourceError
from res2clip_runtime.sources import CameraSettings, Frame, Source, open_source


def camera(folder: str, **options) -> Source:
    features = {**pylon_emulation.features(folder), **options.pop("features", {})}
    settings = CameraSettings(
        width=96, height=80, pixel_format="RGB8Packed", features=features, **options
    )
    return open_source(pylon_emulation.PLACE, settings=settings)


def shown(frame: Frame, folder: str) -> str:
    """Return the name of the picture that this frame is, bit for bit."""
    for path in sorted(Path(folder).iterdir()):
        if np.array_equal(np.asarray(frame.image), np.asarray(Image.open(path).convert("RGB"))):
            return path.name
    return "none of them"


def plays_pictures(folder: str) -> dict:
    with camera(folder, trigger="software") as source:
        names = []
        for _ in range(5):
            source.trigger()
            names.append(shown(source.read(5.0), folder))
        return {"names": names, "describe": source.describe()}


def free_run(folder: str) -> dict:
    with camera(folder, fps=20) as source:
        frames = [source.read(5.0) for _ in range(6)]
        return {
            "names": [shown(frame, folder) for frame in frames],
            "ids": [frame.frame_id for frame in frames],
            "moments": [frame.captured_monotonic_s for frame in frames],
        }


def failed_buffers(folder: str) -> dict:
    failing = {"ForceFailedBufferCount": 2, "ForceFailedBuffer": True}
    with camera(folder, fps=20, features=failing) as source:
        first = source.read(5.0)
        return {"first": shown(first, folder), "damaged": source.damaged}


def only_failed_buffers(folder: str) -> str:
    failing = {"ForceFailedBufferCount": 1000, "ForceFailedBuffer": True}
    with camera(folder, fps=20, features=failing, read_timeout_s=0.5) as source:
        try:
            return f"a picture: {source.read(10.0)}"
        except SourceError as err:
            return str(err)


def trigger(folder: str) -> dict:
    with camera(folder, trigger="software") as source:
        before = source.read(0.3)
        source.trigger()
        first = shown(source.read(5.0), folder)
        return {"before": before, "first": first, "after": source.read(0.2), "waits": source.waits}


def refusals(folder: str) -> dict:
    answers = {}
    for name, place, settings in (
        ("serial", "pylon://4711", CameraSettings()),
        ("exposure", "pylon:", CameraSettings(exposure_us=1e12)),
        ("format", "pylon:", CameraSettings(pixel_format="RGB16Packed")),
        ("line", "pylon:", CameraSettings(trigger="line9")),
        ("feature", "pylon:", CameraSettings(features={"LensCap": 1})),
    ):
        try:
            with open_source(place, settings=settings) as source:
                source.read(5.0)
            answers[name] = "taken"
        except (InputError, SourceError) as err:
            answers[name] = str(err)
    return answers
