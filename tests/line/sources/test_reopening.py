"""Weeks of reconnecting leave nothing behind."""

from __future__ import annotations

from pathlib import Path

import pytest
from drawn_parts import save_parts
from line.components import pylon_emulation
from line.components.child import call, free_port
from line.components.gentl_simulator import producer
from line.components.gige_camera import ADDRESS, GigeCamera, need_aravis
from line.components.mjpeg_server import MjpegServer
from line.components.private_network import PrivateNetwork
from line.components.rtsp_server import RtspServer, need_rtsp_server

from res2clip_runtime.errors import Res2ClipError
from res2clip_runtime.sources.gi_modules import gi_module

SCENARIO = ("line.sources.reopening_scenarios", "reopen")


def test_a_gige_camera_leaves_nothing_behind() -> None:
    need_aravis()
    with PrivateNetwork() as network, GigeCamera(prefix=network.command([])):
        assert network.call(*SCENARIO, f"gige://{ADDRESS}", 10) == 12


@pytest.mark.parametrize(("place", "opened"), [(pylon_emulation.PLACE, 12), ("pylon://4711", 0)])
def test_a_basler_camera_leaves_nothing_behind(place: str, opened: int) -> None:
    pytest.importorskip("pypylon", reason="the extra 'pylon' is not installed")
    with PrivateNetwork() as network:
        env = pylon_emulation.environment()
        assert network.call(*SCENARIO, place, 10, env=env) == opened


@pytest.mark.parametrize(("camera", "opened"), [("VikyTL_DEV_red", 8), ("4711", 0)])
def test_a_gentl_camera_leaves_nothing_behind(camera: str, opened: int) -> None:
    pytest.importorskip("harvesters", reason="the extra 'gentl' is not installed")
    assert call(*SCENARIO, f"gentl:{producer()}#{camera}", 6) == opened


def test_a_stream_leaves_nothing_behind(tmp_path: Path) -> None:
    pytest.importorskip("av", reason="the extra 'video' is not installed")
    with MjpegServer(save_parts(tmp_path, 2)) as server:
        assert call(*SCENARIO, server.url, 10) == 12
    assert call(*SCENARIO, f"rtsp://127.0.0.1:{free_port()}/nobody", 10) == 0
    need_rtsp_server()
    with RtspServer() as rtsp:
        assert call(*SCENARIO, rtsp.url, 3) == 5


@pytest.mark.parametrize(
    ("pipeline", "opened"),
    [("videotestsrc is-live=true", 12), ("filesrc location=/nowhere ! decodebin", 0)],
)
def test_a_pipeline_leaves_nothing_behind(pipeline: str, opened: int) -> None:
    try:
        gi_module("GstApp", "1.0")
    except Res2ClipError as err:
        pytest.skip(str(err))
    assert call(*SCENARIO, f"gst:{pipeline}", 10) == opened
