"""Pipelines of GStreamer, and the one of a Jetson's camera as text."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from drawn_parts import draw_part, save_parts
from line.components.rtsp_server import RtspServer, need_rtsp_server

from res2clip_runtime.errors import InputError, Res2ClipError, SourceError
from res2clip_runtime.sources import CameraSettings, open_source
from res2clip_runtime.sources.gi_modules import gi_module
from res2clip_runtime.sources.jetson import csi_pipeline

BARE = "gst:videotestsrc {options} ! video/x-raw,width=99,height=50,framerate=20/1"


@pytest.fixture(autouse=True)
def _gstreamer() -> Iterator[None]:
    try:
        gi_module("Gst", "1.0")
        gi_module("GstApp", "1.0")
    except Res2ClipError as err:
        pytest.skip(str(err))
    yield


def test_a_live_pipeline_gives_pictures_of_any_width() -> None:
    with open_source(BARE.format(options="is-live=true pattern=red")) as source:
        frames = [source.read(5.0) for _ in range(3)]
        assert source.live
        assert source.describe() == "gst (99 x 50 px, GStreamer)"
    for frame in frames:
        assert frame is not None
        assert (np.asarray(frame.image) == (255, 0, 0)).all()
        assert np.shape(frame.image) == (50, 99, 3)
    assert len({frame.frame_id for frame in frames if frame}) == 3


def test_a_pipeline_of_files_gives_every_picture_bit_for_bit_and_ends(tmp_path: Path) -> None:
    save_parts(tmp_path, 7)
    place = f"gst:multifilesrc location={tmp_path}/%03d.png caps=image/png,framerate=1/1 ! pngdec"
    with open_source(place) as source:
        assert not source.live
        frames = list(source)
    assert len(frames) == 7
    for seed, frame in enumerate(frames):
        np.testing.assert_array_equal(np.asarray(frame.image), draw_part(seed))


def test_a_live_pipeline_that_ends_is_lost() -> None:
    with (
        open_source(BARE.format(options="is-live=true num-buffers=2")) as source,
        pytest.raises(SourceError, match="has ended"),
    ):
        for _ in range(10):
            source.read(1.0)


def test_a_slow_reader_gets_the_newest_picture() -> None:
    ball = "gst:videotestsrc is-live=true ! video/x-raw,width=64,height=48,framerate=50/1"
    with open_source(ball) as source:
        assert source.read(5.0)
        time.sleep(0.5)  # 25 pictures
        start = time.monotonic()
        # Two may be on their way through the pipeline; a queue of 25 would answer at once.
        for _ in range(8):
            assert source.read(5.0)
        assert time.monotonic() - start > 0.05


def test_a_picture_that_waited_for_the_reader_keeps_its_time() -> None:
    with open_source("gst:videotestsrc is-live=true ! video/x-raw,framerate=1/1") as source:
        first = source.read(5.0)
        assert first is not None
        time.sleep(1.5)
        second = source.read(5.0)
        assert second is not None
    between_s = second.captured_monotonic_s - first.captured_monotonic_s
    assert between_s > 0.5
    assert abs(between_s - round(between_s)) < 0.2, "they are made a second after each other"


def test_an_element_that_fails_says_why() -> None:
    with (
        open_source("gst:videotestsrc is-live=true ! identity error-after=2") as source,
        pytest.raises(SourceError, match="broke off: Failed after iterations"),
    ):
        for _ in range(10):
            source.read(1.0)


def test_a_file_that_is_not_there_does_not_start() -> None:
    with pytest.raises(SourceError, match="does not start"):
        open_source("gst:filesrc location=/nowhere ! decodebin")


@pytest.mark.parametrize("pipeline", ["gst:nonsense", "gst:videotestsrc ! !", "gst:"])
def test_what_is_no_pipeline_is_refused(pipeline: str) -> None:
    with pytest.raises(InputError, match="gst-launch"):
        open_source(pipeline)


def test_rtsp_goes_through_a_pipeline_too() -> None:
    need_rtsp_server()
    with RtspServer() as server:
        place = f"gst:rtspsrc location={server.url} protocols=tcp latency=0 ! decodebin"
        with open_source(place) as source:
            assert source.live
            frame = source.read(10.0)
            assert frame is not None
            assert np.shape(frame.image) == (240, 320, 3)
            server.kill()
            with pytest.raises(SourceError):
                for _ in range(50):
                    source.read(0.2)


def test_the_pipeline_of_a_jetsons_camera_is_nvidias() -> None:
    assert csi_pipeline(0, CameraSettings()) == (
        "nvarguscamerasrc sensor-id=0 ! video/x-raw(memory:NVMM),width=1920,height=1080,"
        "framerate=30/1,format=NV12 ! nvvidconv ! video/x-raw,format=BGRx"
    )
    settings = CameraSettings(width=1280, height=720, fps=59.94, exposure_us=500, gain=2)
    assert csi_pipeline(1, settings) == (
        'nvarguscamerasrc sensor-id=1 exposuretimerange="500000 500000" gainrange="2 2" ! '
        "video/x-raw(memory:NVMM),width=1280,height=720,framerate=2997/50,format=NV12 ! "
        "nvvidconv ! video/x-raw,format=BGRx"
    )


def test_a_jetsons_camera_on_another_machine_names_what_is_missing() -> None:
    if gi_module("Gst", "1.0").ElementFactory.find("nvarguscamerasrc"):
        pytest.skip("this is a Jetson")
    with pytest.raises(InputError, match=r"csi0.*nvarguscamerasrc"):
        open_source("csi://0")
    with pytest.raises(InputError, match="csi://0"):
        open_source("csi://front")


def test_a_pipeline_has_no_trigger() -> None:
    with pytest.raises(InputError, match="no trigger"):
        open_source("gst:videotestsrc", settings=CameraSettings(trigger="line0"))
