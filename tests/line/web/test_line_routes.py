"""Health, triggers and products over HTTP, by real clients."""

from __future__ import annotations

import http.client
import json
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from line.components.failing_model import FailingModel, Gate
from line.web.conftest import Serve, Served

from res2clip_runtime.errors import InputError, MissingExtraError, OutputError
from res2clip_runtime.inspector import Inspector
from res2clip_runtime.service.config import CameraTable
from res2clip_runtime.service.settings import LineSettings
from res2clip_runtime.web import WebConfig, WebServer


@pytest.fixture
def served(serve: Serve, film: Path) -> Served:
    """A line that waits for triggers."""
    settings = LineSettings(mode="trigger", deadline_ms=10_000)
    served = serve(CameraTable(name="top", source=str(film)), settings=settings)
    served.run.await_ready()
    return served


@pytest.fixture
def client(served: Served) -> Iterator[httpx.Client]:
    with served.client() as client:
        yield client


def test_trigger_that_waits_gets_its_verdict(client: httpx.Client) -> None:
    answer = client.post("/api/trigger?wait", json={"id": "part 7"})
    assert answer.status_code == 200
    assert (answer.json()["trigger_id"], answer.json()["decision"]) == ("part 7", "OK")


def test_id_may_be_used_again_when_it_was_answered(client: httpx.Client) -> None:
    frames = [
        client.post("/api/trigger?wait", json={"id": "part 7"}).json()["frame_id"] for _ in range(3)
    ]
    assert len(set(frames)) == 3


@pytest.mark.parametrize(
    ("query", "status"), [("wait=1", 200), ("wait=", 200), ("wait=True", 200), ("wait=0", 202)]
)
def test_wait_may_have_a_value(client: httpx.Client, query: str, status: int) -> None:
    assert client.post(f"/api/trigger?{query}").status_code == status


def test_trigger_that_does_not_wait_gets_its_id(client: httpx.Client, served: Served) -> None:
    answer = client.post("/api/trigger")
    assert answer.status_code == 202
    assert served.run.answer_to(answer.json()["id"]).decision.value == "OK"


def test_verdict_that_does_not_come_in_time_is_said(
    serve: Serve, film: Path, inspector: Inspector
) -> None:
    settings, gate = LineSettings(mode="trigger", deadline_ms=10_000), Gate()
    served = serve(
        CameraTable(name="top", source=str(film)),
        settings=settings,
        stages=FailingModel(inspector.stages, gate),
        wait_s=0.1,
    )
    served.run.await_ready()
    with served.client() as client:
        answer = client.post("/api/trigger?wait", json={"id": "17"})
    gate.open()
    assert answer.status_code == 504
    assert answer.json()["id"] == "17"


def test_many_triggers_at_once_get_each_their_own_verdict(served: Served) -> None:
    answers: dict[str, httpx.Response] = {}

    def ask(name: str) -> None:
        with served.client() as client:
            answers[name] = client.post("/api/trigger?wait", json={"id": name})

    threads = [threading.Thread(target=ask, args=(f"part {n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {name: a.json()["trigger_id"] for name, a in answers.items()} == {n: n for n in answers}


def test_line_that_runs_freely_refuses_triggers(serve: Serve) -> None:
    with serve().client() as client:
        answer = client.post("/api/trigger")
    assert answer.status_code == 409
    assert "the line runs freely" in answer.json()["error"]


def test_product_is_chosen_and_an_unknown_one_refused(client: httpx.Client) -> None:
    assert client.post("/api/product", json={"product": "nut"}).json() == {"product": "nut"}
    refused = client.post("/api/product", json={"product": "bolt"})
    assert refused.status_code == 409
    assert "there are: washer, nut" in refused.json()["error"]
    assert client.post("/api/trigger?wait").json()["product"] == "nut"


def test_health_says_whether_it_is_ready(client: httpx.Client, served: Served) -> None:
    answer = client.get("/api/health")
    health = answer.json()
    assert (answer.status_code, health["ready"]) == (200, True)
    assert health["cameras"][0]["state"] == "ready"
    assert {sink["name"] for sink in health["sinks"]} == {"page", "page-ng"}
    served.run.line.stop()
    answer = client.get("/api/health")
    assert (answer.status_code, answer.json()["reason"]) == (503, "the line is stopping")


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/nowhere", None, 404),
        ("GET", "/api", None, 404),
        ("GET", "/api/health/", None, 404),
        ("GET", "/api/trigger", None, 405),
        ("HEAD", "/api/live.mjpg", None, 405),
        ("OPTIONS", "/api/health", None, 405),
        ("POST", "/api/trigger", b"{", 400),
        ("POST", "/api/trigger", b"[1]", 400),
        ("POST", "/api/trigger", b'{"id": 5}', 400),
        ("POST", "/api/trigger", b'{"id": ""}', 400),
        ("POST", "/api/trigger", b'{"Id": "part 7"}', 400),
        ("POST", "/api/trigger", b'{"id": "\\ud800bad"}', 400),
        ("POST", "/api/trigger", b"\xff\xfe", 400),
        ("POST", "/api/trigger", b"[" * 60_000, 400),
        ("POST", "/api/trigger", b'{"id": ' + b"1" * 6000 + b"}", 400),
        ("POST", "/api/trigger", b"x" * 70_000, 413),
        ("POST", "/api/trigger?wiat", b'{"id": "part 7"}', 400),
        ("POST", "/api/trigger?wait=perhaps", None, 400),
        ("POST", "/api/product", b"{}", 400),
        ("POST", "/api/product", b'{"product": "\\ud800bad"}', 400),
        ("POST", "/api/product", b'{"product": "nut", "id": "part 7"}', 400),
        ("GET", "/api/parts?limit=" + "9" * 5000, None, 400),
        ("GET", "/api/parts?limit=%D9%A3", None, 400),
        ("GET", "/static/../server.py", None, 404),
        ("GET", "/static/..%2fserver.py", None, 404),
        ("GET", "/static/%2e%2e/%2e%2e/errors.py", None, 404),
        ("GET", "/static//etc/passwd", None, 404),
        ("GET", "/static/%00", None, 404),
    ],
)
def test_nonsense_is_answered_with_its_reason(
    client: httpx.Client, served: Served, method: str, path: str, body: bytes | None, status: int
) -> None:
    answer = client.request(method, path, content=body)
    assert answer.status_code == status, answer.text
    if method != "HEAD":
        assert answer.json()["error"]
    assert served.run.line.health().triggers == 0


def test_chunked_body_is_read_like_any_other(client: httpx.Client) -> None:
    answer = client.post("/api/trigger?wait", content=iter([b'{"id":', b' "part 7"}']))
    assert answer.json()["trigger_id"] == "part 7"


def test_body_of_a_request_that_was_refused_is_no_request(served: Served) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", served.web.port, timeout=20)
    smuggled = b"POST /api/trigger HTTP/1.1\r\nHost: localhost\r\nX-Res2clip: 1\r\n\r\n"
    connection.request("POST", "/nowhere", body=smuggled)
    assert connection.getresponse().read()
    connection.request("GET", "/api/me")
    assert json.loads(connection.getresponse().read())["name"] == "local"
    connection.close()
    assert served.run.line.health().triggers == 0


def test_id_that_no_output_could_write_is_refused(served: Served) -> None:
    with pytest.raises(InputError, match="lone surrogates"):
        served.run.line.trigger("\ud800bad")


def test_client_that_dies_while_it_waits_leaves_the_line_as_it_was(served: Served) -> None:
    head = b"POST /api/trigger?wait HTTP/1.1\r\nHost: localhost\r\nX-Res2clip: 1\r\n"
    with socket.create_connection(("127.0.0.1", served.web.port)) as raw:
        raw.sendall(head + b'Content-Length: 12\r\n\r\n{"id": "17"}')
    assert served.run.answer_to("17").decision.value == "OK"
    with served.client() as client:
        assert client.post("/api/trigger?wait", json={"id": "18"}).status_code == 200


def test_address_that_is_taken_is_said(served: Served, tmp_path: Path) -> None:
    config = WebConfig(port=served.web.port, folder=tmp_path / "other")
    with pytest.raises(OutputError, match=f"cannot listen at 127.0.0.1:{served.web.port}"):
        WebServer(config, served.run.line, add_sink=served.run.line.add_sink)


@pytest.mark.parametrize("package", ["starlette", "uvicorn", "prometheus_client"])
def test_missing_package_is_said_with_the_command_that_installs_it(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    config = WebConfig(port=0, folder=tmp_path / "other")
    with pytest.raises(MissingExtraError, match=r"pip install 'res2clip\[web\]'"):
        WebServer(config, served.run.line, add_sink=served.run.line.add_sink)


def test_figures_for_prometheus_are_there(client: httpx.Client, inspector: Inspector) -> None:
    client.post("/api/trigger?wait")
    answer = client.get("/api/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "res2clip_inspected_total 1.0" in answer.text
    assert 'res2clip_score_count{product="washer"} 1.0' in answer.text
