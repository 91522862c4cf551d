from __future__ import annotations

import dataclasses
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from line_waiting import wait_until
from mosquitto_broker import Broker, Subscriber, free_port
from tcp_proxy import TcpProxy
from tls_files import make_tls_files

from res2clip_runtime.errors import InputError, OutputError
from res2clip_runtime.inspection import error_verdict
from res2clip_runtime.sinks import Backoff, SinkWorker
from res2clip_runtime.sinks.mqtt_publisher import MqttConfig, MqttPublisher
from res2clip_runtime.verdict import Verdict

# paho leaves the socket of a TLS handshake that failed to the garbage collector.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <ssl.SSLSocket:pytest.PytestUnraisableExceptionWarning"
)
QUICK = Backoff(first_s=0.02, most_s=0.1)
SOUND = MqttConfig(host="broker", tls=True, username="edge")
VERDICT, STATUS = "res2clip/line3/verdict", "res2clip/line3/status"


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tls_files(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def broker(tmp_path: Path, tls: Path) -> Iterator[Broker]:
    folder = tmp_path / "broker"
    folder.mkdir()
    broker = Broker(folder, tls)
    broker.start()
    yield broker
    broker.kill()


@pytest.fixture
def publisher(broker: Broker) -> Iterator[Callable[..., MqttPublisher]]:
    made: list[MqttPublisher] = []

    def make(**settings: object) -> MqttPublisher:
        given = {
            "host": "127.0.0.1",
            "port": broker.port,
            "tls": True,
            "ca_file": broker.ca_file,
            "username": "edge",
            "password_file": broker.password_file,
            **settings,
        }
        made.append(MqttPublisher(MqttConfig(**given), line="line3"))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for each in made:
        each.close()


def numbered(number: int) -> Verdict:
    return error_verdict(str(number), "washer", "because")


def why_away(sink: MqttPublisher) -> str:
    with pytest.raises(OutputError) as refused:
        sink.write(numbered(0), None)
    return str(refused.value)


def names(subscriber: Subscriber) -> list[str]:
    return [json.loads(text)["frame_id"] for text in subscriber.payloads(VERDICT)]


def test_verdicts_arrive_whole_over_tls_with_a_password(
    broker: Broker, publisher: Callable[..., MqttPublisher], ng: Verdict
) -> None:
    with closing(Subscriber(broker)) as subscriber:
        sink = publisher()
        sink.wait_connected(10)
        sink.write(ng, None)
        wait_until(lambda: subscriber.payloads(VERDICT))
        assert json.loads(subscriber.payloads(VERDICT)[0]) == ng.to_json()
        sink.close()
        wait_until(lambda: subscriber.payloads(STATUS) == ["online", "offline"])


def test_the_status_is_retained_and_verdicts_are_not(
    broker: Broker, publisher: Callable[..., MqttPublisher]
) -> None:
    sink = publisher()
    sink.wait_connected(10)
    sink.write(numbered(0), None)
    with closing(Subscriber(broker)) as late:
        wait_until(lambda: late.messages)
        assert late.messages == [(STATUS, "online", True)]
    sink.close()
    with closing(Subscriber(broker)) as later:
        wait_until(lambda: later.messages)
        assert later.messages == [(STATUS, "offline", True)]


def test_a_broker_killed_and_back_gets_everything_in_order_within_the_bound(
    broker: Broker, publisher: Callable[..., MqttPublisher]
) -> None:
    # The proxy keeps the publisher away until the new broker has its subscriber.
    with TcpProxy(broker.port) as proxy:
        sink = publisher(port=proxy.port)
        with SinkWorker(sink, name="mqtt", capacity=50, backoff=QUICK) as worker:
            with closing(Subscriber(broker)) as before:
                for number in range(10):
                    worker.offer(numbered(number), None)
                wait_until(lambda: len(names(before)) == 10)
                proxy.refuse()
                broker.kill()
            for number in range(10, 60):
                worker.offer(numbered(number), None)
            wait_until(lambda: worker.health.state == "failing")
            assert f"no connection to the MQTT broker 127.0.0.1:{proxy.port}" in (
                worker.health.reason
            )
            broker.start()
            with closing(Subscriber(broker)) as after:
                proxy.refuse(False)
                wait_until(lambda: len(names(after)) == 50, seconds=20)
                assert names(after) == [str(number) for number in range(10, 60)]
                assert after.payloads(STATUS) == ["online"]
            assert (worker.health.state, worker.health.dropped) == ("ok", 0)


def test_beyond_the_bound_the_oldest_are_dropped_and_counted(
    broker: Broker, publisher: Callable[..., MqttPublisher]
) -> None:
    broker.kill()
    with SinkWorker(publisher(), name="mqtt", capacity=5, backoff=QUICK) as worker:
        worker.offer(numbered(0), None)
        wait_until(lambda: worker.health.state == "failing")
        for number in range(1, 21):
            worker.offer(numbered(number), None)
        assert (worker.health.dropped, worker.health.queued) == (15, 6)
        worker.close(timeout_s=0.2)
    assert worker.health.dropped == 21


def test_a_wrong_password_is_said_so(
    broker: Broker, publisher: Callable[..., MqttPublisher], tmp_path: Path
) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("guess")
    sink = publisher(password_file=wrong)
    wait_until(lambda: "refused: Not authorized; check mqtt.username" in why_away(sink))
    assert "guess" not in why_away(sink)


def test_a_broker_of_an_unknown_authority_gets_nothing(
    broker: Broker, publisher: Callable[..., MqttPublisher]
) -> None:
    sink = publisher(ca_file=None)
    wait_until(lambda: "certificate verify failed" in why_away(sink))


def test_a_broker_that_stalls_is_reported_and_each_verdict_arrives_once(
    broker: Broker, publisher: Callable[..., MqttPublisher]
) -> None:
    with TcpProxy(broker.port) as proxy, closing(Subscriber(broker)) as subscriber:
        sink = publisher(port=proxy.port, ack_timeout_s=0.3, keepalive_s=60)
        with SinkWorker(sink, name="mqtt", backoff=QUICK) as worker:
            worker.offer(numbered(0), None)
            wait_until(lambda: names(subscriber) == ["0"])
            wait_until(lambda: worker.health.written == 1)
            proxy.stall()
            for number in range(1, 6):
                worker.offer(numbered(number), None)
            wait_until(lambda: worker.health.state == "failing")
            assert "has not acknowledged a verdict within 0.3 s" in worker.health.reason
            proxy.resume()
            wait_until(lambda: worker.health.written == 6)
            assert names(subscriber) == list("012345")


def test_a_connection_that_is_cut_comes_back_and_nothing_is_lost(
    broker: Broker, publisher: Callable[..., MqttPublisher]
) -> None:
    with TcpProxy(broker.port) as proxy, closing(Subscriber(broker)) as subscriber:
        with SinkWorker(publisher(port=proxy.port), name="mqtt", backoff=QUICK) as worker:
            for number in range(200):
                worker.offer(numbered(number), None)
                if number == 100:
                    wait_until(lambda: worker.health.written > 20)
                    proxy.cut()
            wait_until(lambda: worker.health.written == 200, seconds=20)
        seen = names(subscriber)
        # A verdict on its way at the cut may come twice (QoS 1), never out of order.
        assert list(dict.fromkeys(seen)) == [str(number) for number in range(200)]
        assert len(seen) <= 201


def test_leaving_a_silent_broker_ends_soon(
    broker: Broker, publisher: Callable[..., MqttPublisher]
) -> None:
    with TcpProxy(broker.port) as proxy:
        sink = publisher(port=proxy.port, ack_timeout_s=0.2)
        sink.wait_connected(10)
        proxy.stall()
        with pytest.raises(OutputError, match="not acknowledged"):
            sink.write(numbered(0), None)
        start = time.monotonic()
        sink.close()
        assert time.monotonic() - start < 10  # and not when the keep-alive runs out
        with pytest.raises(OutputError, match="no connection"):
            sink.write(numbered(1), None)


def test_leaving_a_broker_that_never_answers_the_handshake_ends_soon() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        config = MqttConfig(host="127.0.0.1", port=mute.getsockname()[1], tls=True, keepalive_s=60)
        sink = MqttPublisher(config, line="line3")
        peer, _ = mute.accept()
        with pytest.raises(OutputError, match="no connection yet"):
            sink.wait_connected(0.3)
        start = time.monotonic()
        sink.close()
        assert time.monotonic() - start < 10
        peer.close()
    wait_until(lambda: not [t for t in threading.enumerate() if t.name == "mqtt-end"])


def test_a_connection_that_is_only_tried_leaves_no_trace(
    broker: Broker, publisher: Callable[..., MqttPublisher]
) -> None:
    running = publisher()
    running.wait_connected(10)
    with closing(Subscriber(broker)) as subscriber:
        config = dataclasses.replace(SOUND, host="127.0.0.1", port=broker.port)
        config = dataclasses.replace(
            config, ca_file=broker.ca_file, password_file=broker.password_file
        )
        with closing(MqttPublisher(config, line="line3", announces=False)) as trial:
            trial.wait_connected(10)
        running.write(numbered(0), None)  # it was not driven away
        wait_until(lambda: subscriber.payloads(VERDICT))
        assert subscriber.payloads(STATUS) == ["online"]


def test_the_broker_says_offline_when_the_process_is_killed(broker: Broker) -> None:
    program = Path(__file__).with_name("publish_until_killed.py")
    command = [sys.executable, str(program), str(broker.port)]
    command += [str(broker.ca_file), str(broker.password_file)]
    with (
        closing(Subscriber(broker)) as subscriber,
        subprocess.Popen(command, stdout=subprocess.PIPE) as process,
    ):
        assert process.stdout
        assert process.stdout.readline() == b"online\n"
        topic = "res2clip/line9/status"
        wait_until(lambda: subscriber.payloads(topic) == ["online"])
        process.kill()
        process.wait()
        wait_until(lambda: subscriber.payloads(topic) == ["online", "offline"])


def test_a_broker_that_is_not_there_yet_is_no_error_at_the_start(tmp_path: Path) -> None:
    sink = MqttPublisher(MqttConfig(host="127.0.0.1", port=free_port()), line="line3")
    wait_until(lambda: "Connection refused" in why_away(sink))
    with pytest.raises(OutputError, match="Connection refused"):
        sink.wait_connected(0.01)
    sink.close()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"host": ""}, r"mqtt\.host is ''"),
        ({"host": "mqtt://broker"}, r"mqtt\.host is 'mqtt://broker', which may not hold '/'"),
        ({"port": 70_000}, r"mqtt\.port is 70000, expected a whole number 0 to 65535"),
        ({"topic_prefix": "a/#"}, r"mqtt\.topic_prefix .* '#'"),
        ({"keepalive_s": 0}, r"mqtt\.keepalive_s is 0"),
        ({"ack_timeout_s": -1}, r"mqtt\.ack_timeout_s is -1"),
        ({"username": "", "password_file": Path("x")}, r"without mqtt\.username"),
        ({"tls": False, "ca_file": Path("x")}, r"mqtt\.ca_file is given, but mqtt\.tls is false"),
        ({"key_file": Path("x")}, r"without mqtt\.cert_file"),
    ],
)
def test_a_setting_that_makes_no_sense_is_named(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        dataclasses.replace(SOUND, **changes)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot read .*No such file"),
        (b"", "holds nothing"),
        (b"one\ntwo\n", "more than one line"),
        (b"\xff\xfe", "no UTF-8"),
    ],
)
def test_a_password_file_that_is_none_is_refused_with_its_setting(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    path = tmp_path / "password"
    if content is not None:
        path.write_bytes(content)
    config = MqttConfig(host="127.0.0.1", username="edge", password_file=path)
    with pytest.raises(InputError, match=rf"mqtt\.password_file: .*{message}"):
        MqttPublisher(config, line="line3")


def test_certificates_that_are_none_are_refused_with_their_setting(tmp_path: Path) -> None:
    path = tmp_path / "ca.crt"
    path.write_text("no certificate")
    for field in ("ca_file", "cert_file"):
        config = MqttConfig(host="127.0.0.1", tls=True, **{field: path})
        with pytest.raises(InputError, match=rf"mqtt\.{field}: cannot use .*PEM"):
            MqttPublisher(config, line="line3")


def test_a_line_whose_name_cannot_be_in_a_topic_is_refused() -> None:
    with pytest.raises(InputError, match=r"the line's name is 'a/b', which may not hold '/'"):
        MqttPublisher(MqttConfig(host="127.0.0.1"), line="a/b")
