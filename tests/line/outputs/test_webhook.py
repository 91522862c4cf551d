from __future__ import annotations

import http.server
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from line_waiting import wait_until
from mosquitto_broker import free_port
from tls_files import make_tls_files

from res2clip_runtime.errors import InputError, OutputError
from res2clip_runtime.inspection import error_verdict
from res2clip_runtime.sinks import Backoff, SinkWorker
from res2clip_runtime.sinks.webhook import Webhook, WebhookConfig
from res2clip_runtime.verdict import Verdict


class Server(http.server.ThreadingHTTPServer):
    """Keeps what is posted; answers, fails or hangs as told."""

    daemon_threads = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.posted: list[dict[str, object]] = []
        self.headers: list[dict[str, str]] = []
        self.statuses: list[int] = []
        self.requests = 0
        self.let_go = threading.Event()
        self.hangs = False
        self.drips = False

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hung up is no news."""


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        self.server.requests += 1
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.hangs:
            self.server.let_go.wait(30)
            return
        if self.server.drips:
            while not self.server.let_go.wait(0.05):
                self.wfile.write(b"H")
            return
        status = self.server.statuses.pop(0) if self.server.statuses else 200
        if status == 200:
            self.server.posted.append(json.loads(body))
            self.server.headers.append(dict(self.headers))
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    running: list[tuple[Server, threading.Thread]] = []

    def start(context: ssl.SSLContext | None = None) -> Server:
        server = Server()
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        running.append((server, thread))
        return server

    yield start
    for server, thread in running:
        server.let_go.set()
        server.shutdown()
        thread.join()
        server.server_close()


def to(server: Server, *, scheme: str = "http", **settings: object) -> WebhookConfig:
    url = f"{scheme}://127.0.0.1:{server.server_port}/verdicts?line=3"
    return WebhookConfig(url=url, **settings)  # type: ignore[arg-type]


def numbered(number: int) -> Verdict:
    return error_verdict(str(number), "washer", "because")


def test_a_verdict_is_posted_as_json_with_the_secret(
    serve: Callable[..., Server], ng: Verdict, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("Bearer abc\n")
    server = serve()
    sink = Webhook(to(server, secret_file=tmp_path / "secret"))
    sink.reach()
    sink.write(ng, None)
    sink.close()
    assert server.posted == [ng.to_json()]
    assert server.headers[0]["Authorization"] == "Bearer abc"
    assert server.headers[0]["Content-Type"].startswith("application/json")


def test_a_server_that_fails_for_a_while_gets_every_verdict_once_in_order(
    serve: Callable[..., Server],
) -> None:
    server = serve()
    server.statuses = [500, 503, 200, 429, 200]
    backoff = Backoff(first_s=0.01, most_s=0.05, attempts=5)
    with SinkWorker(Webhook(to(server)), name="webhook", backoff=backoff) as worker:
        for number in range(3):
            worker.offer(numbered(number), None)
        wait_until(lambda: worker.health.written == 3)
    assert [each["frame_id"] for each in server.posted] == ["0", "1", "2"]
    assert server.requests == 6


def test_a_server_that_always_fails_costs_a_stated_number_of_attempts(
    serve: Callable[..., Server],
) -> None:
    server = serve()
    server.statuses = [500] * 6
    backoff = Backoff(first_s=0.01, most_s=0.01, attempts=3)
    with SinkWorker(Webhook(to(server)), name="webhook", backoff=backoff) as worker:
        for number in range(2):
            worker.offer(numbered(number), None)
        wait_until(lambda: worker.health.dropped == 2)
        assert "answered 500" in worker.health.reason
        assert "line=3" not in worker.health.reason
        worker.offer(numbered(2), None)
        wait_until(lambda: worker.health.state == "ok")
    assert [each["frame_id"] for each in server.posted] == ["2"]


@pytest.mark.parametrize("how", ["hangs", "drips"])
def test_a_server_that_does_not_answer_is_given_up_in_time(
    serve: Callable[..., Server], how: str
) -> None:
    server = serve()
    setattr(server, how, True)
    with pytest.raises(OutputError, match="cannot post to http://127"):
        Webhook(to(server, timeout_s=0.3)).write(numbered(0), None)


def test_a_secret_that_is_no_header_is_refused_without_being_shown(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_bytes(b"Bearer \x01abc")
    with pytest.raises(InputError, match=r"webhook\.secret_file: expected printable") as refused:
        Webhook(WebhookConfig(url="http://host/", secret_file=path))
    assert "abc" not in str(refused.value)


def test_a_redirection_is_not_followed(serve: Callable[..., Server]) -> None:
    server = serve()
    server.statuses = [302]
    with pytest.raises(OutputError, match="answered 302"):
        Webhook(to(server)).write(numbered(0), None)
    assert server.requests == 1


def test_no_server_is_said_so_and_no_error_at_the_start() -> None:
    sink = Webhook(WebhookConfig(url=f"http://127.0.0.1:{free_port()}/"))
    with pytest.raises(OutputError, match="Connection refused"):
        sink.write(numbered(0), None)
    with pytest.raises(OutputError, match=r"cannot reach .*Connection refused"):
        sink.reach()


def served_by(tls: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls / "server.crt", tls / "server.key")
    return context


def test_the_certificate_and_the_name_in_it_are_verified(
    serve: Callable[..., Server], tmp_path: Path
) -> None:
    tls = make_tls_files(tmp_path / "tls")
    server = serve(served_by(tls))
    Webhook(to(server, scheme="https", ca_file=tls / "ca.crt")).write(numbered(0), None)
    assert len(server.posted) == 1
    with pytest.raises(OutputError, match="certificate verify failed"):
        Webhook(to(server, scheme="https")).write(numbered(1), None)
    foreign = make_tls_files(tmp_path / "foreign", names="DNS:elsewhere")
    impostor = serve(served_by(foreign))
    with pytest.raises(OutputError, match="not valid for '127"):
        Webhook(to(impostor, scheme="https", ca_file=foreign / "ca.crt")).write(numbered(2), None)
    assert not impostor.posted


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"url": "ftp://host/x"}, r"webhook\.url is 'ftp://host/x', expected https"),
        ({"url": "http://host/Müll"}, r"expected ASCII"),
        ({"url": "https:///x"}, r"webhook\.url is"),
        ({"url": "http://host:99999/"}, r"webhook\.url is 'http://host:99999/'"),
        ({"url": "http://me:pass@host/"}, r"put it into webhook\.secret_file"),
        ({"url": "http://h/", "header": "A B"}, r"webhook\.header is 'A B'"),
        ({"url": "http://h/", "timeout_s": 0}, r"webhook\.timeout_s is 0"),
        ({"url": "http://h/", "attempts": 0}, r"webhook\.attempts is 0"),
        ({"url": "http://h/", "ca_file": Path("x")}, r"webhook\.url is not https"),
    ],
)
def test_a_setting_that_makes_no_sense_is_named(settings: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message) as refused:
        WebhookConfig(**settings)  # type: ignore[arg-type]
    assert "pass@" not in str(refused.value)
