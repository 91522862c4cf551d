"""Commands over HTTP, by a real client."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from line.components.line_of import CollectedLine

from res2clip_runtime.errors import InputError, OutputError
from res2clip_runtime.inspector import Inspector
from res2clip_runtime.service.config import CameraTable
from res2clip_runtime.service.http_control import HttpConfig, HttpControl
from res2clip_runtime.service.recipe_book import RecipeBook, RecipeFile
from res2clip_runtime.service.settings import LineSettings


class Client:
    def __init__(self, port: int) -> None:
        self.port = port

    def ask(self, method: str, path: str, body: object = None, **headers: str):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            data = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
            connection.request(method, path, body=data, headers=headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()


@pytest.fixture
def run(
    inspector: Inspector, recipe_file: Path, nut_file: Path, parts: Path
) -> Iterator[CollectedLine]:
    files = [RecipeFile(file=recipe_file), RecipeFile(file=nut_file)]
    book = RecipeBook(files, inspector.stages, product="washer")
    settings = LineSettings(mode="trigger", deadline_ms=10_000)
    camera = CameraTable(source=str(parts))
    with CollectedLine(inspector.stages, book, camera, settings=settings) as run:
        run.await_ready()
        yield run


@pytest.fixture
def client(run: CollectedLine) -> Iterator[Client]:
    with HttpControl(HttpConfig(port=0), run.line) as control:
        yield Client(control.port)


def test_trigger_that_waits_gets_its_verdict(client: Client) -> None:
    status, verdict = client.ask("POST", "/trigger?wait", {"id": "part 7"})
    assert status == 200
    assert (verdict["trigger_id"], verdict["decision"]) == ("part 7", "OK")


@pytest.mark.parametrize(("query", "status"), [("wait=1", 200), ("wait=", 200), ("wait=0", 202)])
def test_wait_may_have_a_value(client: Client, query: str, status: int) -> None:
    assert client.ask("POST", f"/trigger?{query}")[0] == status


def test_chunked_body_is_refused_and_ends_the_connection(
    client: Client, run: CollectedLine
) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", client.port, timeout=20)
    body = iter([b'{"id": "part 7"}'])
    connection.request("POST", "/trigger", body=body, encode_chunked=True)
    answer = connection.getresponse()
    assert (answer.status, answer.getheader("Connection")) == (409, "close")
    assert "send Content-Length" in json.loads(answer.read())["error"]
    connection.close()
    assert run.line.health().triggers == 0


def test_body_of_a_request_that_was_refused_early_is_no_request(client: Client) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", client.port, timeout=20)
    connection.request("POST", "/nowhere", body=b"POST /trigger HTTP/1.1\r\n\r\n")
    answer = connection.getresponse()
    assert (answer.status, answer.getheader("Connection")) == (404, "close")
    connection.close()


def test_id_that_no_output_could_write_is_refused(run: CollectedLine) -> None:
    with pytest.raises(InputError, match="lone surrogates"):
        run.line.trigger("\ud800bad")


def test_trigger_that_does_not_wait_gets_its_id(client: Client, run: CollectedLine) -> None:
    status, answer = client.ask("POST", "/trigger")
    assert status == 202
    assert run.answer_to(answer["id"]).decision.value == "OK"


def test_product_is_chosen_and_an_unknown_one_refused(client: Client) -> None:
    assert client.ask("POST", "/product", {"product": "nut"}) == (200, {"product": "nut"})
    status, answer = client.ask("POST", "/product", {"product": "bolt"})
    assert status == 409
    assert "there are: washer, nut" in answer["error"]
    assert client.ask("POST", "/trigger?wait")[1]["product"] == "nut"


def test_health_says_whether_it_is_ready(client: Client, run: CollectedLine) -> None:
    status, health = client.ask("GET", "/health")
    assert (status, health["ready"], health["cameras"][0]["state"]) == (200, True, "ready")
    run.line.stop()
    status, health = client.ask("GET", "/health")
    assert (status, health["reason"]) == (503, "the line is stopping")


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/nowhere", None, 404),
        ("/trigger", b"{", 409),
        ("/trigger", [1], 409),
        ("/trigger", {"id": 5}, 409),
        ("/product", {}, 409),
        ("/trigger", b"x" * 70_000, 409),
        ("/trigger", {"id": "\ud800bad"}, 409),
        ("/product", {"product": "\ud800bad"}, 409),
        ("/trigger", {"Id": "part 7"}, 409),
        ("/product", {"product": "nut", "id": "part 7"}, 409),
        ("/trigger?wiat", {"id": "part 7"}, 409),
    ],
)
def test_nonsense_is_answered_with_its_reason(
    client: Client, path: str, body: object, status: int
) -> None:
    got, answer = client.ask("POST", path, body)
    assert got == status
    assert answer["error"]


def test_token_is_asked_for(run: CollectedLine, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("hunter2\n")
    config = HttpConfig(port=0, token_file=tmp_path / "token")
    with HttpControl(config, run.line) as control:
        client = Client(control.port)
        assert client.ask("POST", "/trigger")[0] == 401
        assert client.ask("POST", "/trigger", Authorization="Bearer hunter3")[0] == 401
        assert client.ask("POST", "/trigger", Authorization="Bearer hunter2")[0] == 202
    assert len(run.verdicts) <= 1


def test_address_that_is_taken_is_said(run: CollectedLine) -> None:
    with (
        HttpControl(HttpConfig(port=0), run.line) as control,
        pytest.raises(OutputError, match=f"cannot listen at 127.0.0.1:{control.port}"),
    ):
        HttpControl(HttpConfig(port=control.port), run.line)
