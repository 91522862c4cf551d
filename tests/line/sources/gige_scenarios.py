"""What happens to a GigE Vision camera; each runs in a Python of its own in a private network."""

from __future__ import annotations

import time

import numpy as np
from line.components.child import await_true
from line.components.gige_camera import ADDRESS, GigeCamera

from res2clip_runtime.errors import InputError, SourceError
from res2clip_runtime.sources import CameraSettings, open_source

PLACE = f"gige://{ADDRESS}"
SMALL = CameraSettings(width=320, height=240, fps=20)


def free_run(pixel_format: str) -> dict:
    settings = CameraSettings(width=320, height=240, fps=20, pixel_format=pixel_format)
    with GigeCamera(), open_source(PLACE, settings=settings) as source:
        frames = [source.read(5.0) for _ in range(4)]
        images = [np.asarray(frame.image) for frame in frames]
        return {
            "describe": source.describe(),
            "live": source.live,
            "ids": [frame.frame_id for frame in frames],
            "moments": [frame.captured_monotonic_s for frame in frames],
            "device_ns": [frame.device_time_ns for frame in frames],
            "shapes": [image.shape for image in images],
            "dtypes": [str(image.dtype) for image in images],
            "moves": bool((images[0] != images[-1]).any()),
            "grey": bool((images[0] == images[0][:, :, :1]).all()),
            "contrast": int(np.ptp(images[0])),
        }


def settings_taken_and_refused() -> dict:
    answers = {}
    with GigeCamera():
        for name, settings in {
            "exposure": CameraSettings(exposure_us=5000, gain=3, fps=25),
            "bogus format": CameraSettings(pixel_format="Bogus8"),
            "bogus feature": CameraSettings(features={"LensCap": "Open"}),
            "bogus line": CameraSettings(trigger="line7"),
        }.items():
            try:
                with open_source(PLACE, settings=settings) as source:
                    answers[name] = bool(source.read(5.0))
            except (InputError, SourceError) as err:
                answers[name] = f"{type(err).__name__}: {err}"
    return answers


def software_trigger() -> dict:
    settings = CameraSettings(width=320, height=240, trigger="software")
    with GigeCamera(), open_source(PLACE, settings=settings) as source:
        before = source.read(0.3)
        ids = []
        for _ in range(3):
            source.trigger()
            ids.append(source.read(5.0).frame_id)
        after = source.read(0.3)
        # A picture that nobody reads; the next trigger must not give it.
        source.trigger()
        await_true(lambda: source._stream.get_n_buffers()[1], "the picture has come")
        start = time.monotonic()
        source.trigger()
        fresh = source.read(5.0)
        return {
            "waits": source.waits,
            "has_trigger": source.has_trigger,
            "before": before,
            "ids": ids,
            "after": after,
            "fresh": fresh.captured_monotonic_s >= start,
            "forgotten": source.dropped,
            "none left": source.read(0.3),
        }


def slow_reader() -> dict:
    """Nobody reads until all 8 buffers are full, so that Aravis can keep nothing newer."""
    with GigeCamera(), open_source(PLACE, settings=SMALL) as source:
        source.read(5.0)
        await_true(lambda: source._stream.get_n_buffers()[1] >= 8, "all buffers are full")
        start = time.monotonic()
        frame = source.read(5.0)
        return {
            "captured_before_s": start - frame.captured_monotonic_s,
            "dropped": source.dropped,
        }


def packet_loss(per_mille: int) -> dict:
    settings = CameraSettings(width=512, height=512, fps=50, read_timeout_s=2.0)
    good, why = 0, ""
    with GigeCamera(lost_per_mille=per_mille), open_source(PLACE, settings=settings) as source:
        end = time.monotonic() + 15
        while time.monotonic() < end and (good < 20 or not source.damaged):
            try:
                good += source.read(0.5) is not None
            except SourceError as err:
                why = str(err)
                break
        return {"good": good, "damaged": source.damaged, "why": why}


def freeze() -> dict:
    """Shorter than the camera's own time limit: it goes on by itself."""
    with GigeCamera() as camera, open_source(PLACE, settings=SMALL) as source:
        source.read(5.0)
        camera.freeze()
        while source.read(0.2):
            pass  # was on its way
        start = time.monotonic()
        nothing = source.read(0.4)
        waited_s = time.monotonic() - start
        camera.thaw()
        return {"nothing": nothing, "waited_s": waited_s, "again": bool(source.read(5.0))}


def kill_and_come_back() -> dict:
    """A loss of power; the times are those of docs/cameras.md."""
    answers: dict[str, object] = {}
    camera = GigeCamera()
    source = open_source(PLACE, settings=SMALL)
    try:
        source.read(5.0)
        camera.kill()
        start = time.monotonic()
        while source.read(0.2):
            pass
        answers["silent_after_s"] = time.monotonic() - start
        try:
            while time.monotonic() < start + 30:
                source.read(0.2)
        except SourceError as err:
            answers["lost"], answers["lost_after_s"] = str(err), time.monotonic() - start
        start = time.monotonic()
        source.close()
        answers["close_s"] = time.monotonic() - start
        start = time.monotonic()
        try:
            open_source(PLACE, settings=SMALL).close()
        except SourceError as err:
            answers["down"], answers["down_after_s"] = str(err), time.monotonic() - start
        camera = GigeCamera()
        start = time.monotonic()
        source = open_source(PLACE, settings=SMALL)
        answers["again"] = bool(source.read(5.0))
        answers["back_after_s"] = time.monotonic() - start
    finally:
        source.close()
        camera.end()
    return answers


def by_id() -> list[str]:
    with GigeCamera(serial="PORT7"):
        answers = []
        for place in ("aravis:Aravis-Fake-PORT7", "aravis:"):
            with open_source(place, settings=SMALL) as source:
                answers.append(source.describe())
    return answers
