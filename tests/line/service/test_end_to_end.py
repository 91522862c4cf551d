"""``res2clip-run --config``: real cameras in, real outputs out, the line a process of its own."""

from __future__ import annotations

import json
import shutil
import socket
import urllib.request
from contextlib import closing
from pathlib import Path

import pytest
from drawn_parts import save_parts
from drawn_video import write_video
from line.components import pylon_emulation
from line.components.child import await_true, free_port
from line.components.gentl_simulator import producer
from line.components.gige_camera import GigeCamera, need_aravis
from line.components.http_call import await_ready, call
from line.components.mjpeg_server import MjpegServer
from line.components.plc import Plc
from line.components.private_network import PrivateNetwork
from line.components.rtsp_server import RtspServer, need_rtsp_server
from line.components.running_line import RunningLine, write_config
from line.components.web_server import WebServer
from mosquitto_broker import USER, Broker, Subscriber
from tls_files import make_tls_files

from res2clip_runtime.modbus.registers import StatusBit


@pytest.fixture
def configure(tmp_path: Path, recipe_file: Path, bundle: Path):
    """Return a function that writes a configuration with the given tables."""
    return lambda *tables: write_config(
        tmp_path / "line", *tables, recipe=recipe_file, bundle=bundle
    )


def camera(source: object, *more: str) -> str:
    return "\n".join(["[[camera]]", 'name = "top"', f"source = {json.dumps(str(source))}", *more])


def test_folder_is_inspected_and_the_line_ends_by_itself(configure, parts: Path) -> None:
    config = configure(
        '[line]\nprint = "json"', camera(parts), '[pictures]\nfolder = "pictures"\nok_share = 0.5'
    )
    with RunningLine(config) as line:
        assert line.wait() == 0
        verdicts = line.verdicts()
    assert [v["decision"] for v in verdicts] == ["OK"] * 6 + ["NG"] * 3
    assert {v["camera"] for v in verdicts} == {"top"}
    printed = [json.loads(text) for text in line.out_path.read_text().splitlines()]
    assert printed == verdicts
    assert len(list((config.parent / "pictures").rglob("*.jpg"))) == 3 + 3
    assert "level=error" not in line.log


def test_picture_that_cannot_be_read_makes_the_exit_code_1(configure, tmp_path: Path) -> None:
    folder = save_parts(tmp_path / "p", 2, first_seed=10)
    (folder / "junk.png").write_bytes(b"junk")
    with RunningLine(configure(camera(folder))) as line:
        assert line.wait() == 1
        assert [v["decision"] for v in line.verdicts()] == ["OK", "OK", "ERROR"]


def test_video_file(configure, tmp_path: Path) -> None:
    pytest.importorskip("av", reason="the extra 'video' is not installed")
    with RunningLine(configure(camera(write_video(tmp_path / "part.mp4")))) as line:
        assert line.wait() == 0
        assert [v["decision"] for v in line.verdicts()] == ["NG"] * 5


def test_watched_folder_takes_what_appears_until_it_is_stopped(
    configure, parts: Path, tmp_path: Path
) -> None:
    incoming = tmp_path / "incoming"
    incoming.mkdir()
    with RunningLine(configure(camera(f"watch:{incoming}"))) as line:
        line.await_log("started, washer")
        for path in sorted(parts.rglob("*.png"))[5:8]:
            shutil.copy(path, incoming)
        verdicts = line.await_verdicts(3)
        assert line.stop() == 0
    assert [v["decision"] for v in verdicts] == ["OK", "NG", "NG"]


def test_sigterm_finishes_the_picture_drains_the_outputs_and_exits_with_0(
    configure, tmp_path: Path
) -> None:
    pytest.importorskip("av", reason="the extra 'video' is not installed")
    place = str(tmp_path / "notify")
    with (
        closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as systemd,
        MjpegServer(save_parts(tmp_path / "film", 4, first_seed=10)) as server,
    ):
        systemd.bind(place)
        systemd.settimeout(30)
        environment = {"NOTIFY_SOCKET": place, "WATCHDOG_USEC": "4000000"}
        with RunningLine(configure(camera(server.url)), env=environment) as line:
            heard: list[str] = []
            while "READY=1" not in heard:
                heard.append(systemd.recv(4096).decode())
            assert "WATCHDOG=1" not in heard
            line.await_verdicts(5)
            assert line.stop() == 0
            systemd.settimeout(0.2)
            while "STOPPING=1" not in heard:
                heard.append(systemd.recv(4096).decode())
            assert "WATCHDOG=1" in heard
            raw = line.results.read_bytes()
            assert raw.endswith(b"\n")
            assert "stopping" in line.log


def test_rtsp_camera_with_a_password_that_appears_nowhere(configure, tmp_path: Path) -> None:
    need_rtsp_server()
    pytest.importorskip("av", reason="the extra 'video' is not installed")
    (tmp_path / "secret").write_text("hunter2\n")
    more = f'user = "viewer"\npassword_file = {json.dumps(str(tmp_path / "secret"))}'
    with (
        RtspServer(user="viewer", password="hunter2") as server,
        RunningLine(configure(camera(server.url, more))) as line,
    ):
        verdicts = line.await_verdicts(5)
        assert line.stop() == 0
        assert {v["decision"] for v in verdicts} <= {"OK", "NG"}
        assert "hunter2" not in line.log + line.results.read_text()


def test_verdicts_of_a_plcs_triggers_reach_every_output(configure, tmp_path: Path) -> None:
    """Live MJPEG camera; PLC, JSONL, pictures, MQTT over TLS, webhook, Prometheus, HTTP."""
    for package in ("av", "paho", "pymodbus", "prometheus_client"):
        pytest.importorskip(package)
    (tmp_path / "broker").mkdir()
    broker = Broker(tmp_path / "broker", make_tls_files(tmp_path / "tls"))
    broker.start()
    modbus, metrics, http = free_port(), free_port(), free_port()
    film = save_parts(tmp_path / "film", 1, first_seed=10)
    save_parts(film, 1, first_seed=20, scratched=True)
    try:
        with (
            closing(Subscriber(broker)) as subscriber,
            WebServer() as web,
            MjpegServer(film) as server,
        ):
            config = configure(
                '[line]\nname = "line3"\nmode = "trigger"\ndeadline_ms = 5000',
                camera(server.url),
                '[pictures]\nfolder = "pictures"',
                f'[mqtt]\nhost = "127.0.0.1"\nport = {broker.port}\ntls = true\n'
                f'ca_file = "{broker.ca_file}"\nusername = "{USER}"\n'
                f'password_file = "{broker.password_file}"',
                f'[webhook]\nurl = "{web.url}"',
                f'[modbus]\nport = {modbus}\n[modbus.recipes]\n1 = "washer"',
                f"[metrics]\nport = {metrics}",
                f"[web]\nport = {http}",
            )
            with RunningLine(config) as line:
                await_ready(http)
                with closing(Plc(modbus)) as plc:
                    answers = [plc.inspect() for _ in range(8)]
                verdicts = line.await_verdicts(8)
                at_broker = "res2clip/line3/verdict"
                await_true(lambda: len(subscriber.payloads(at_broker)) == 8, "MQTT has all")
                await_true(lambda: len(web.posted) == 8, "the webhook has all")
                page = urllib.request.urlopen(f"http://127.0.0.1:{metrics}/metrics", timeout=10)
                with page:
                    text = page.read().decode()
                health = call(http, "GET", "/api/health")[1]
                assert line.stop() == 0
            assert subscriber.payloads("res2clip/line3/status") == ["online", "offline"]
    finally:
        broker.kill()
    assert all(StatusBit.VALID in bits for bits in answers)
    decisions = ["OK" if StatusBit.OK in bits else "NG" for bits in answers]
    assert [v["decision"] for v in verdicts] == decisions
    assert [json.loads(t) for t in subscriber.payloads(at_broker)] == verdicts
    assert web.posted == verdicts
    assert len({v["trigger_id"] for v in verdicts}) == 8
    assert (health["triggers"], health["late"], health["ready"]) == (8, 0, True)
    assert sum(health["decisions"].values()) == 8
    assert "res2clip_" in text
    assert len(list((config.parent / "pictures").rglob("*.jpg"))) == decisions.count("NG")


def test_gige_camera_runs_freely_and_dies_and_comes_back(configure) -> None:
    need_aravis()
    http = free_port()
    with PrivateNetwork() as network:
        config = configure(
            camera("gige://127.0.0.1", "width = 320", "height = 240", "fps = 10"),
            f"[web]\nport = {http}",
        )
        prefix = network.command([])
        with RunningLine(config, prefix=prefix) as line:
            line.await_log("camera top: lost")
            with GigeCamera(prefix=prefix) as camera_process:
                line.await_verdicts(5)
                camera_process.kill()
                seen = len(line.verdicts())
            with GigeCamera(prefix=prefix):
                verdicts = line.await_verdicts(seen + 5)
                health = network.call("line.components.http_call", "await_ready", http)
                assert line.stop() == 0
    assert health["cameras"][0]["reconnects"] >= 1
    assert {v["decision"] for v in verdicts} <= {"OK", "NG"}


def test_gige_camera_is_triggered_by_software_over_http(configure) -> None:
    need_aravis()
    http = free_port()
    with PrivateNetwork() as network, GigeCamera(prefix=network.command([])):
        config = configure(
            '[line]\nmode = "trigger"\ndeadline_ms = 5000',
            camera("gige://127.0.0.1", 'trigger = "software"', "width = 320", "height = 240"),
            f"[web]\nport = {http}",
        )
        with RunningLine(config, prefix=network.command([])) as line:
            answers = network.call("line.components.http_call", "trigger", http, 10)
            assert line.stop() == 0
            written = line.verdicts()
    assert [v["trigger_id"] for v in answers] == [f"part {n}" for n in range(10)]
    assert {v["decision"] for v in answers} <= {"OK", "NG"}
    assert written == answers
    assert len({v["frame_id"] for v in answers}) == 10


def test_pylon_camera_plays_good_and_defective_parts_to_their_verdicts(
    configure, tmp_path: Path
) -> None:
    pytest.importorskip("pypylon", reason="the extra 'pylon' is not installed")
    film = save_parts(tmp_path / "film", 2, first_seed=10)
    save_parts(film, 2, first_seed=20, scratched=True)
    features = ", ".join(
        f"{key} = {json.dumps(value)}" for key, value in pylon_emulation.features(film).items()
    )
    http = free_port()
    with PrivateNetwork() as network:
        config = configure(
            '[line]\nmode = "trigger"\ndeadline_ms = 5000',
            camera(
                pylon_emulation.PLACE,
                'trigger = "software"',
                "width = 96",
                "height = 80",
                'pixel_format = "RGB8Packed"',
                f"features = {{ {features} }}",
            ),
            f"[web]\nport = {http}",
        )
        with RunningLine(
            config, prefix=network.command([]), env=pylon_emulation.environment()
        ) as line:
            answers = network.call("line.components.http_call", "trigger", http, 8)
            assert line.stop() == 0
    decisions = [v["decision"] for v in answers]
    assert decisions.count("OK") == decisions.count("NG") == 4
    assert "OK OK NG NG" in " ".join(decisions)


def test_gentl_camera_gives_verdicts(configure) -> None:
    pytest.importorskip("harvesters", reason="the extra 'gentl' is not installed")
    with RunningLine(configure(camera(f"gentl:{producer()}"))) as line:
        verdicts = line.await_verdicts(5)
        assert line.stop() == 0
    assert {v["decision"] for v in verdicts} <= {"OK", "NG"}


def test_dry_run_tells_what_works_and_what_does_not(configure, parts: Path) -> None:
    with RunningLine(configure(camera(parts)), arguments=["--dry-run"]) as line:
        assert line.wait() == 0
        good = line.out_path.read_text()
    assert [text.split()[0] for text in good.splitlines()] == ["ok"] * 4
    broken = configure(
        camera(parts / "none"),
        '[webhook]\nurl = "http://127.0.0.1:9/x"',
        f"[web]\nport = {free_port()}",
    )
    with RunningLine(broken, arguments=["--dry-run"]) as line:
        assert line.wait() == 1
        text = line.out_path.read_text()[len(good) :]
    status = {row.split()[1]: row.split()[0] for row in text.splitlines()}
    assert (status["camera"], status["webhook"], status["web"]) == ("missing", "missing", "ok")
    assert not line.results.exists()
