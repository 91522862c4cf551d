"""All outputs at once, as on a line: what is broken stays with whom it concerns."""

from __future__ import annotations

import json
import socket
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from drawn_parts import draw_part
from line_waiting import wait_until
from mosquitto_broker import free_port
from small_line import SmallLine

from res2clip_runtime.modbus import ModbusConfig, ModbusServer
from res2clip_runtime.modbus.registers import StatusBit
from res2clip_runtime.sinks import Backoff, SinkWorker
from res2clip_runtime.sinks.kept_pictures import KeptPictures, PicturesConfig
from res2clip_runtime.sinks.metrics_page import MetricsConfig, MetricsPage
from res2clip_runtime.sinks.mqtt_publisher import MqttConfig, MqttPublisher
from res2clip_runtime.sinks.rotating_jsonl import JsonlConfig, RotatingJsonl
from res2clip_runtime.sinks.webhook import Webhook, WebhookConfig
from res2clip_runtime.verdict import Verdict

PARTS = 30


@pytest.fixture
def hanging_port() -> Iterator[int]:
    """A server that accepts and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_dead_broker_hanging_webhook_and_full_disk_leave_plc_and_records_alone(
    tmp_path: Path, small_disk: Path, hanging_port: int, line: SmallLine
) -> None:
    (small_disk / "ballast").write_bytes(bytes(240_000))
    broker = MqttConfig(host="127.0.0.1", port=free_port())
    hook = WebhookConfig(url=f"http://127.0.0.1:{hanging_port}/", timeout_s=1, attempts=1)
    modbus = ModbusServer(ModbusConfig(port=0, plc_heartbeat_s=0), line)
    metrics = MetricsPage(MetricsConfig(port=0), line)
    kept = KeptPictures(PicturesConfig(folder=small_disk / "pictures"))
    quick = Backoff(first_s=0.01, most_s=0.1)
    with ExitStack() as stack:
        workers = {
            worker.name: stack.enter_context(worker)
            for worker in (
                SinkWorker(RotatingJsonl(JsonlConfig(folder=tmp_path)), name="jsonl"),
                SinkWorker(kept, name="pictures", capacity=4, wants=kept.wants, backoff=quick),
                SinkWorker(MqttPublisher(broker, line="line3"), name="mqtt", backoff=quick),
                SinkWorker(Webhook(hook), name="webhook", backoff=Backoff(attempts=1)),
                SinkWorker(modbus, name="modbus"),
                SinkWorker(metrics, name="metrics"),
            )
        }

        def to_all(verdict: Verdict) -> None:
            for worker in workers.values():
                worker.offer(verdict, line.picture)

        line.add_listener(to_all)
        answers = _triggers(modbus.port, line)
        assert answers == [number % 2 == 0 for number in range(PARTS)]
        wait_until(lambda: workers["jsonl"].health.written == PARTS)
        states = {name: worker.health.state for name, worker in workers.items()}
        assert {name for name, state in states.items() if state == "failing"} >= {"mqtt"}
        assert (states["jsonl"], states["modbus"], states["metrics"]) == ("ok",) * 3
        wait_until(lambda: workers["pictures"].health.state == "failing")
        assert "no room for pictures" in workers["pictures"].health.reason
        wait_until(lambda: workers["modbus"].health.written == PARTS)
        line.sinks = tuple(worker.health for worker in workers.values())
        with urllib.request.urlopen(f"http://127.0.0.1:{metrics.port}/metrics") as page:
            assert f'res2clip_sink_written_total{{sink="modbus"}} {PARTS}' in page.read().decode()
        for worker in workers.values():
            worker.close(timeout_s=0.5)
    assert (workers["mqtt"].health.dropped, workers["mqtt"].health.written) == (PARTS, 0)
    lines = (tmp_path / "results.jsonl").read_text().splitlines()
    decisions = [json.loads(each)["decision"] for each in lines]
    assert decisions == ["OK" if good else "NG" for good in answers]


def _triggers(port: int, line: SmallLine) -> list[bool]:
    """Trigger ``PARTS`` parts, every second one scratched; return whether each was OK."""
    from pymodbus.client import ModbusTcpClient

    pictures = [draw_part(0), draw_part(9, scratched=True)]
    answers = []
    with closing(ModbusTcpClient("127.0.0.1", port=port)) as plc:
        assert plc.connect()

        def status() -> StatusBit:
            return StatusBit(plc.read_holding_registers(0, count=1).registers[0])

        wait_until(lambda: StatusBit.READY in status())
        for number in range(PARTS):
            line.picture = pictures[number % 2]
            plc.write_registers(101, [0])
            plc.write_registers(101, [1, number])
            wait_until(lambda: StatusBit.VALID in status())
            answers.append(StatusBit.OK in status())
    return answers
