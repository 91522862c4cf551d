"""RTSP from a real server, MJPEG over HTTP, and what breaks them."""

from __future__ import annotations

import itertools
import shutil
import subprocess
import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from line.components.mjpeg_server import MjpegServer
from line.components.rtsp_server import RtspServer, need_rtsp_server
from PIL import Image

from res2clip_runtime.errors import InputError, SourceError
from res2clip_runtime.sources import CameraSettings, Frame, Source, open_source
from res2clip_runtime.sources.stream_address import with_password, without_password

pytest.importorskip("av", reason="the extra 'video' is not installed")

QUICK = CameraSettings(connect_timeout_s=1.5, read_timeout_s=1.0)
COLOURS = [(200, 40, 60), (40, 200, 60), (60, 40, 200)]


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


@pytest.fixture
def rtsp() -> Iterator[RtspServer]:
    need_rtsp_server()
    with RtspServer() as server:
        yield server


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    for number, colour in enumerate(COLOURS):
        Image.new("RGB", (64, 48), colour).save(tmp_path / f"{number}.png")
    return tmp_path


def read_on(source: Source, count: int) -> list[Frame]:
    frames = [source.read(5.0) for _ in range(count)]
    assert all(frames), "a picture did not come within 5 s"
    return frames  # type: ignore[return-value]


def ends(source: Source, *, deadline_s: float = 10.0) -> tuple[str, list[Frame]]:
    """Read until it breaks off; return why, and what still came."""
    came, end = [], time.monotonic() + deadline_s
    while time.monotonic() < end:
        try:
            if frame := source.read(0.1):
                came.append(frame)
        except SourceError as err:
            return str(err), came
    raise AssertionError(f"it never broke off, {len(came)} pictures came")


def test_rtsp_gives_live_pictures_with_names_and_times(rtsp: RtspServer) -> None:
    with open_source(rtsp.url) as source:
        assert (source.live, source.count) == (True, None)
        assert source.describe() == f"{rtsp.url} (stream, 320 x 240 px)"
        frames = read_on(source, 5)
    assert len({frame.frame_id for frame in frames}) == 5
    moments = [frame.captured_monotonic_s for frame in frames]
    assert moments == sorted(moments)
    images = [np.asarray(frame.image) for frame in frames]
    assert all(image.shape == (240, 320, 3) and image.dtype == np.uint8 for image in images)
    assert (images[0] != images[-1]).any(), "the ball moves"


def test_colours_of_an_rtsp_stream_are_right(rtsp: RtspServer) -> None:
    with open_source(rtsp.mjpeg_url) as source:
        (frame,) = read_on(source, 1)
    bars = np.asarray(frame.image)[100, 20::46].astype(int)  # grey, yellow, cyan, ..., blue
    assert bars[1][0] > 150 and bars[1][1] > 150 and bars[1][2] < 60, "yellow"
    assert bars[6][2] > 150 and bars[6][0] < 60 and bars[6][1] < 60, "blue"


def test_a_frozen_server_is_lost_within_the_read_timeout_and_gives_nothing_old(
    rtsp: RtspServer,
) -> None:
    with open_source(rtsp.url, settings=QUICK) as source:
        read_on(source, 3)
        rtsp.freeze()
        frozen = time.monotonic()
        why, came = ends(source)
    assert "sent nothing for 1 s" in why
    # What was on its way may still come; nothing may come out of FFmpeg after the silence.
    assert all(frame.captured_monotonic_s < frozen + QUICK.read_timeout_s for frame in came)


def test_reading_from_a_frozen_server_does_not_hold_the_reader(rtsp: RtspServer) -> None:
    slow = CameraSettings(read_timeout_s=4.0)
    with open_source(rtsp.url, settings=slow) as source:
        read_on(source, 1)
        rtsp.freeze()
        while source.read(0.2):
            pass  # came in time
        assert source.read(0.0) is None
        rtsp.thaw()
        read_on(source, 2)  # it goes on where the silence was shorter than the read timeout


def test_a_killed_server_is_lost_and_a_new_handle_finds_it_again(rtsp: RtspServer) -> None:
    with open_source(rtsp.url) as source:
        read_on(source, 1)
        rtsp.kill()
        why, _ = ends(source)
        assert "has ended" in why or "broke off" in why
        with pytest.raises(SourceError):
            source.read(0.1)
    with pytest.raises(SourceError, match="refused"):
        open_source(rtsp.url)
    with RtspServer(port=rtsp.port), open_source(rtsp.url) as source:
        read_on(source, 2)


def test_connecting_to_a_frozen_server_ends_within_the_connect_timeout(rtsp: RtspServer) -> None:
    rtsp.freeze()
    with pytest.raises(SourceError, match="does not answer in time"):
        open_source(rtsp.url, settings=QUICK)


def test_a_wrong_password_is_said_and_no_password_is_shown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    need_rtsp_server()
    (tmp_path / "key").write_text("p@ss:w/rd#1\n")
    right = CameraSettings(user="line", password_file=tmp_path / "key")
    monkeypatch.setenv("CAMERA_PASSWORD", "swordfish")
    wrong = CameraSettings(user="line", password_env="CAMERA_PASSWORD")
    with RtspServer(user="line", password="p@ss:w/rd#1") as server:
        for settings in (wrong, CameraSettings()):
            with pytest.raises(SourceError, match="another user or password") as caught:
                open_source(server.url, settings=settings)
            shown = "".join(traceback.format_exception(caught.value))
            assert "swordfish" not in shown, "a log with the traceback may be sent to anybody"
        with open_source(server.url, settings=right) as source:
            read_on(source, 1)
            assert "p@ss" not in source.describe()


def test_mjpeg_over_http_plays_the_pictures_in_order(pictures: Path) -> None:
    with MjpegServer(pictures, fps=10) as server, open_source(server.url) as source:
        frames = read_on(source, 4)
    shown = [np.asarray(frame.image)[24, 32].astype(int) for frame in frames]
    order = [int(np.abs(np.array(COLOURS) - colour).sum(1).argmin()) for colour in shown]
    assert all((b - a) % 3 == 1 for a, b in itertools.pairwise(order))
    assert all(
        np.abs(np.array(COLOURS[i]) - c).max() <= 3 for i, c in zip(order, shown, strict=True)
    )


def test_mjpeg_over_http_wants_its_password(
    pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAMERA_PASSWORD", "x y")
    settings = CameraSettings(user="line", password_env="CAMERA_PASSWORD")
    with MjpegServer(pictures, user="line", password="x y") as server:
        with pytest.raises(SourceError, match="another user or password"):
            open_source(server.url)
        with open_source(server.url, settings=settings) as source:
            read_on(source, 1)


def certificate(folder: Path, name: str) -> Path:
    """Write a certificate of 127.0.0.1 with its key, signed by itself."""
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    path, key = folder / f"{name}.pem", folder / f"{name}.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
         "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", str(key), "-out", str(path)],
        check=True, capture_output=True,
    )  # fmt: skip
    path.write_bytes(path.read_bytes() + key.read_bytes())
    return path


def test_a_server_with_anothers_certificate_is_refused_when_a_certificate_is_asked_for(
    pictures: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    keys = tmp_path_factory.mktemp("keys")
    own, other = certificate(keys, "own"), certificate(keys, "other")
    with MjpegServer(pictures, certificate=own) as server:
        for settings in (CameraSettings(ca_file=own), CameraSettings()):
            with open_source(server.url, settings=settings) as source:
                read_on(source, 1)
        with pytest.raises(SourceError, match="cannot be opened"):
            open_source(server.url, settings=CameraSettings(ca_file=other))
    with pytest.raises(InputError, match="does not exist"):
        open_source("https://127.0.0.1/x", settings=CameraSettings(ca_file=keys / "nowhere"))
    with pytest.raises(InputError, match="ca_file is for https"):
        open_source("rtsp://127.0.0.1/x", settings=CameraSettings(ca_file=own))


def test_a_stream_that_ends_is_lost(pictures: Path) -> None:
    with MjpegServer(pictures) as server, open_source(f"{server.address}/once.mjpg") as source:
        _, came = ends(source)
        assert len(came) <= 3


def test_garbage_is_never_a_picture(pictures: Path) -> None:
    with (
        MjpegServer(pictures) as server,
        open_source(f"{server.address}/garbage.mjpg", settings=QUICK) as source,
    ):
        why, came = ends(source)
        assert not came
        assert "only damaged pictures for 1." in why
        assert source.damaged > 0


def test_another_size_in_the_middle_is_refused(pictures: Path) -> None:
    with MjpegServer(pictures) as server, open_source(f"{server.address}/resized.mjpg") as source:
        why, came = ends(source)
    assert "32 x 24 px instead of 64 x 48 px" in why
    assert all(np.shape(frame.image) == (48, 64, 3) for frame in came)


def test_another_size_than_asked_for_is_refused(pictures: Path) -> None:
    settings = CameraSettings(width=640, height=480)
    with MjpegServer(pictures) as server, open_source(server.url, settings=settings) as source:
        why, came = ends(source)
    assert "64 x 48 px instead of 640 x 480 px" in why
    assert not came


def test_a_slow_reader_gets_the_newest_picture_and_the_others_are_counted(pictures: Path) -> None:
    with MjpegServer(pictures, fps=50) as server, open_source(server.url) as source:
        read_on(source, 1)
        end = time.monotonic() + 10
        while source.dropped < 5 and time.monotonic() < end:
            time.sleep(0.02)
        asked = time.monotonic()
        (frame,) = read_on(source, 1)
        assert source.dropped >= 5
        assert asked - frame.captured_monotonic_s < 1.0


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("rtsp://10.0.0.5/cam", "rtsp://line:a%40b%2F@10.0.0.5/cam"),
        ("rtsp://other:old@10.0.0.5:8554/cam?x=1", "rtsp://line:a%40b%2F@10.0.0.5:8554/cam?x=1"),
        ("rtsp://[fe80::1]:554/cam", "rtsp://line:a%40b%2F@[fe80::1]:554/cam"),
    ],
)
def test_the_password_goes_into_the_address(url: str, expected: str, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("a@b/\n")
    settings = CameraSettings(user="line", password_file=tmp_path / "key")
    assert with_password(url, settings) == expected


def test_no_secret_is_in_the_address_that_is_shown() -> None:
    shown = without_password("rtsp://line:p@ss@10.0.0.5:554/cam?token=abc")
    assert shown == "rtsp://10.0.0.5:554/cam"


@pytest.mark.parametrize("url", ["rtsp:///cam", "rtsp://10.0.0.5:99999/cam", "rtsp://[::1/cam"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(InputError):
        open_source(url)


def test_a_stream_has_no_trigger(pictures: Path) -> None:
    with MjpegServer(pictures) as server, open_source(server.url) as source:
        assert not source.has_trigger
        with pytest.raises(InputError, match="no software trigger"):
            source.trigger()
