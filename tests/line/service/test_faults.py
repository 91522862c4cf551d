"""What breaks around a running line, each with what the user sees (docs/reliability.md)."""

from __future__ import annotations

import contextlib
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from drawn_parts import save_parts
from line.components.child import await_true, free_port
from line.components.http_call import await_ready, call, trigger
from line.components.mjpeg_server import MjpegServer
from line.components.plc import Plc
from line.components.running_line import RunningLine, write_config
from mosquitto_broker import USER, Broker, Subscriber
from PIL import Image
from tls_files import make_tls_files

from res2clip_runtime.modbus.registers import StatusBit


@pytest.fixture
def configure(tmp_path: Path, recipe_file: Path, bundle: Path):
    """Return a function that writes a configuration with the given tables."""
    return lambda *tables, model=bundle: write_config(
        tmp_path / "line", *tables, recipe=recipe_file, bundle=model
    )


@pytest.fixture
def mjpeg(tmp_path: Path) -> Iterator[MjpegServer]:
    pytest.importorskip("av", reason="the extra 'video' is not installed")
    with MjpegServer(save_parts(tmp_path / "film", 4, first_seed=10)) as server:
        yield server


def camera(source: object, *more: str) -> str:
    return "\n".join(["[[camera]]", 'name = "top"', f"source = {json.dumps(str(source))}", *more])


KILLS = 50
TRIGGERED = '[line]\nmode = "trigger"\ndeadline_ms = 5000'


def sink_of(health: dict, name: str) -> dict:
    return next(sink for sink in health["sinks"] if sink["name"] == name)


def whole_records(path: Path) -> list[dict]:
    """Return the records of a file; fail on one that is torn or is no verdict."""
    records = [json.loads(text) for text in path.read_text(encoding="utf-8").splitlines()]
    for record in records:
        assert record["decision"] in ("OK", "NG", "ERROR")
        if record["decision"] == "OK":
            assert record["score"] <= record["threshold"]
            assert record["latency_ms"]["encoder"] > 0
    return records


def test_broker_killed_and_back_gets_all_and_the_others_notice_nothing(
    configure, mjpeg: MjpegServer, tmp_path: Path
) -> None:
    pytest.importorskip("paho", reason="the extra 'mqtt' is not installed")
    (tmp_path / "broker").mkdir()
    broker = Broker(tmp_path / "broker", make_tls_files(tmp_path / "tls"))
    broker.start()
    http = free_port()
    table = (
        f'[mqtt]\nhost = "127.0.0.1"\nport = {broker.port}\ntls = true\n'
        f'ca_file = "{broker.ca_file}"\nusername = "{USER}"\n'
        f'password_file = "{broker.password_file}"'
    )
    try:
        config = configure(TRIGGERED, camera(mjpeg.url), table, f"[web]\nport = {http}")
        with RunningLine(config) as line:
            assert len(trigger(http, 3)) == 3
            broker.kill()
            while_down = trigger(http, 10)
            await_true(
                lambda: sink_of(call(http, "GET", "/api/health")[1], "mqtt")["state"] == "failing",
                "the loss is noticed",
            )
            assert {v["decision"] for v in while_down} == {"OK"}
            line.await_verdicts(13)
            health = call(http, "GET", "/api/health")[1]
            assert (health["ready"], sink_of(health, "jsonl")["state"]) == (True, "ok")
            broker.start()
            with closing(Subscriber(broker)) as subscriber:
                await_true(
                    lambda: sink_of(call(http, "GET", "/api/health")[1], "mqtt")["written"] == 13,
                    "the broker has all",
                )
                assert subscriber.payloads("res2clip/line/status")[-1] == "online"
            assert line.stop() == 0
    finally:
        broker.kill()


def test_plc_that_goes_in_the_middle_of_its_handshake_finds_the_line_as_before(
    configure, mjpeg: MjpegServer
) -> None:
    pytest.importorskip("pymodbus", reason="the extra 'plc' is not installed")
    port = free_port()
    config = configure(
        TRIGGERED, camera(mjpeg.url), f'[modbus]\nport = {port}\n[modbus.recipes]\n1 = "washer"'
    )
    with RunningLine(config) as line:
        with closing(Plc(port)) as plc:
            assert StatusBit.OK in plc.inspect()
            plc.await_status(StatusBit.READY)
            plc._write(101, [0])
            plc._write(101, [1, 99])
        line.await_verdicts(2)
        with closing(Plc(port)) as again:
            assert StatusBit.OK in again.inspect()
        assert line.stop() == 0
        assert len(whole_records(line.results)) == 3


def test_camera_that_dies_takes_ok_from_the_plc(configure, mjpeg: MjpegServer) -> None:
    pytest.importorskip("pymodbus", reason="the extra 'plc' is not installed")
    port = free_port()
    config = configure(
        TRIGGERED, camera(mjpeg.url), f'[modbus]\nport = {port}\n[modbus.recipes]\n1 = "washer"'
    )
    with RunningLine(config) as line, closing(Plc(port)) as plc:
        assert StatusBit.OK in plc.inspect()
        mjpeg.kill()
        await_true(lambda: StatusBit.FAULT in plc.cycle(), "the PLC sees the fault")
        bits = plc.cycle()
        assert StatusBit.OK not in bits
        assert StatusBit.NG in bits
        assert line.stop() == 0


def test_full_disk_stops_only_what_writes_there_and_leaves_no_torn_record(
    configure, mjpeg: MjpegServer, tmp_path: Path
) -> None:
    disk = tmp_path / "line" / "results"
    disk.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a tmpfs is not permitted here")
    http = free_port()
    try:
        config = configure(TRIGGERED, camera(mjpeg.url), f"[web]\nport = {http}")
        with RunningLine(config) as line:
            answers = trigger(http, 5)
            line.await_verdicts(5)
            ballast = disk / "ballast"
            with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
                while True:
                    file.write(b"x" * 1024)
            answers += trigger(http, 20)
            await_true(
                lambda: sink_of(call(http, "GET", "/api/health")[1], "jsonl")["state"] == "failing",
                "the full disk is noticed",
            )
            assert (
                "free some space" in sink_of(call(http, "GET", "/api/health")[1], "jsonl")["reason"]
            )
            assert {v["decision"] for v in answers} == {"OK"}
            ballast.unlink()
            await_true(
                lambda: sink_of(call(http, "GET", "/api/health")[1], "jsonl")["written"] == 25,
                "all is written",
            )
            assert line.stop() == 0
            assert len(whole_records(line.results)) == 25
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_place_that_is_read_only_ends_the_start_with_what_to_do(
    configure, parts: Path, tmp_path: Path
) -> None:
    disk = tmp_path / "line" / "results"
    disk.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(disk)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a tmpfs is not permitted here")
    try:
        with RunningLine(configure(camera(parts))) as line:
            assert line.wait() == 1
            assert "read-only; choose another place" in line.log
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.mark.parametrize("how", ["renamed over", "truncated"])
def test_bundle_swapped_underneath_is_said_and_the_next_start_refuses_it(
    configure, mjpeg: MjpegServer, bundle: Path, tmp_path: Path, how: str
) -> None:
    model = shutil.copytree(bundle, tmp_path / "model")
    config = configure(camera(mjpeg.url), model=model)
    with RunningLine(config) as line:
        line.await_verdicts(3)
        if how == "renamed over":
            (model / "new").write_bytes(b"other")
            (model / "new").replace(model / "encoder.onnx")
        else:
            os.truncate(model / "encoder.onnx", 100)
        line.await_log("was changed")
        seen = len(line.verdicts())
        line.await_verdicts(seen + 3)
        assert line.stop() == 0
        assert {v["decision"] for v in whole_records(line.results)} == {"OK"}
    with RunningLine(config) as line:
        assert line.wait() == 1
        assert "sha256 differs" in line.log


def test_clock_that_jumps_an_hour_disturbs_nothing(
    configure, mjpeg: MjpegServer, tmp_path: Path
) -> None:
    library = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
    if library is None:
        pytest.skip("faketime is not installed (apt-get install faketime)")
    offset = tmp_path / "offset"
    offset.write_text("+0")
    http = free_port()
    config = configure(TRIGGERED, camera(mjpeg.url, "stale_s = 1.0"), f"[web]\nport = {http}")
    fake = {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(offset),
        "FAKETIME_NO_CACHE": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }
    with RunningLine(config, env=fake) as line:
        answers = trigger(http, 3)
        for jump in ("+1h", "-1h", "+0"):
            offset.write_text(jump)
            answers += trigger(http, 5)
        health = await_ready(http)
        assert line.stop() == 0
    hours = {str(v["captured_at"])[:13] for v in answers}
    assert len(hours) >= 3, "the clock did not jump"
    assert {v["decision"] for v in answers} == {"OK"}
    assert (health["late"], health["cameras"][0]["reconnects"]) == (0, 0)
    assert 0 <= health["uptime_s"] < 600
    assert 0 <= health["cameras"][0]["frame_age_s"] < 10
    assert "lost" not in line.log


def test_sigkill_at_a_random_moment_leaves_whole_records_fifty_times(
    configure, mjpeg: MjpegServer
) -> None:
    http = free_port()
    config = configure(TRIGGERED, camera(mjpeg.url), f"[web]\nport = {http}")
    moments = random.Random(7)
    told: dict[str, str] = {}
    for run in range(KILLS):
        with RunningLine(config) as line:
            await_ready(http)
            for number in range(moments.randrange(1, 12)):
                verdict = call(http, "POST", "/api/trigger?wait", {"id": f"{run}-{number}"})[1]
                told[verdict["trigger_id"]] = verdict["decision"]
            call(http, "POST", "/api/trigger", {"id": f"{run}-in hand"})
            time.sleep(moments.random() * 0.03)  # the moment is what is tested
            line.process.send_signal(signal.SIGKILL)
            assert line.wait() == -signal.SIGKILL
    with RunningLine(config) as line:
        await_ready(http)
        assert line.stop() == 0
    records = whole_records(line.results)
    ids = [record["trigger_id"] for record in records]
    assert len(ids) == len(set(ids))
    # What was answered over HTTP is in the file, but for the verdict that was just on its way.
    written = {record["trigger_id"]: record["decision"] for record in records}
    assert all(written[name] == decision for name, decision in told.items() if name in written)
    assert len(set(told) - set(written)) <= KILLS


def test_running_out_of_memory_is_an_error_and_passes(configure, tmp_path: Path) -> None:
    """The limit of the address space is lowered under the running process, then lifted."""
    big = tmp_path / "big"
    big.mkdir()
    noise = np.random.default_rng(0).integers(0, 255, (3000, 4000, 3), dtype=np.uint8)
    Image.fromarray(noise).save(big / "00.bmp")
    for number in range(1, 8):
        os.link(big / "00.bmp", big / f"{number:02}.bmp")
    http = free_port()
    config = configure(TRIGGERED, camera(big), f"[web]\nport = {http}")
    with RunningLine(config) as line:
        before = trigger(http, 3)
        pid = line.process.pid
        used = int(Path(f"/proc/{pid}/statm").read_text().split()[0]) * resource.getpagesize()
        limits = resource.prlimit(pid, resource.RLIMIT_AS)
        resource.prlimit(pid, resource.RLIMIT_AS, (used + 12_000_000, limits[1]))
        call(http, "POST", "/api/trigger", {"id": "starved"})
        line.await_verdicts(4)
        resource.prlimit(pid, resource.RLIMIT_AS, limits)
        after = trigger(http, 3)
        assert line.stop() == 0
    records = {v["trigger_id"]: v for v in whole_records(line.results)}
    assert records["starved"]["decision"] == "ERROR"
    assert "memory" in records["starved"]["reason"]
    assert {v["decision"] for v in before + after} == {"NG"}


def test_output_that_hangs_does_not_keep_the_line_from_ending(
    configure, mjpeg: MjpegServer
) -> None:
    import socket

    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        config = configure(
            "[line]\ndrain_s = 1.0", camera(mjpeg.url), f'[webhook]\nurl = "{url}"\ntimeout_s = 60'
        )
        with RunningLine(config) as line:
            line.await_verdicts(5)
            assert line.stop() == 0
            assert "sink webhook" in line.log


def test_reader_of_the_printed_verdicts_may_go(configure, mjpeg: MjpegServer) -> None:
    config = configure('[line]\nprint = "text"', camera(mjpeg.url))
    read, write = os.pipe()
    with RunningLine(config, stdout=write) as line:
        os.close(write)
        line.await_verdicts(3)
        os.close(read)
        seen = len(line.verdicts())
        line.await_verdicts(seen + 5)
        assert line.stop() == 0
