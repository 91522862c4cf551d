"""Triggers, the choice of product and the line's health over HTTP, for what speaks no Modbus.

    GET  /health                       how the line is doing; 200 if ready, else 503
    POST /trigger   {"id": "..."}      ask for an inspection; 202 with its id
    POST /trigger?wait                 the same; 200 with the verdict when it is there
    POST /product   {"product": ".."}  inspect another product from the next picture on

Every body is JSON and may be left out where nothing is needed.
"""

from __future__ import annotations

import dataclasses
import hmac
import json
import logging
import threading
from collections import OrderedDict
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from res2clip_runtime.closable import Closable
from res2clip_runtime.errors import InputError, OutputError
from res2clip_runtime.service.control import LineControl
from res2clip_runtime.sinks.config_checks import check_number, check_port, check_text
from res2clip_runtime.sinks.secret_file import read_secret
from res2clip_runtime.verdict import Verdict

__all__ = ["HttpConfig", "HttpControl"]

logger = logging.getLogger(__name__)

_LONGEST_BODY = 65_536
_REQUEST_S = 10.0
_KEPT = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpConfig:
    """Where the line takes commands over HTTP."""

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = 8109
    """TCP port."""
    token_file: Path | None = None
    """File with a token in one line; requests must carry ``Authorization: Bearer <token>``."""
    wait_s: float = 30.0
    """Longest time that ``/trigger?wait`` waits."""

    def __post_init__(self) -> None:
        check_text("http.host", self.host, forbidden=" /")
        check_port("http.port", self.port)
        check_number("http.wait_s", self.wait_s, above=0, most=3600)
        if self.token_file is None and self.host not in ("127.0.0.1", "::1", "localhost"):
            raise InputError(
                f"http.host is {self.host!r}, which others on the network can reach; give a "
                "http.token_file, or listen on 127.0.0.1"
            )


class HttpControl(Closable):
    """A small server on threads of its own."""

    def __init__(self, config: HttpConfig, control: LineControl) -> None:
        """Begin to listen.

        Raises:
            OutputError: the address is taken or is none of this machine's.
            InputError: the token cannot be read.
        """
        token = read_secret("http.token_file", config.token_file) if config.token_file else ""
        self._answers = _Answers()
        try:
            self._server = _Server(
                (config.host, config.port), _Handler, control, self._answers, token, config.wait_s
            )
        except OSError as err:
            raise OutputError(
                err.errno,
                f"cannot listen at {config.host}:{config.port}: {err.strerror or err}; "
                "choose another http.host or http.port",
            ) from err
        self.port = int(self._server.server_address[1])
        control.add_listener(self._answers.take)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.2}, name="http"
        )
        self._thread.daemon = True
        self._thread.start()

    def close(self) -> None:
        """End serving; whoever waits for a verdict is told."""
        if self._thread.is_alive():
            self._answers.close()
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()


class _Answers:
    """The verdicts that requests wait for; a few are kept, for those that were quicker."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._kept: OrderedDict[str, Verdict] = OrderedDict()
        self._closed = False

    def take(self, verdict: Verdict) -> None:
        if verdict.trigger_id is None:
            return
        with self._changed:
            self._kept[verdict.trigger_id] = dataclasses.replace(verdict, anomaly_map=None)
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
            self._changed.notify_all()

    def forget(self, trigger_id: str) -> None:
        with self._changed:
            self._kept.pop(trigger_id, None)

    def wait(self, trigger_id: str, timeout_s: float) -> Verdict | None:
        with self._changed:
            self._changed.wait_for(lambda: trigger_id in self._kept or self._closed, timeout_s)
            return self._kept.pop(trigger_id, None)

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(
        self,
        address: tuple[str, int],
        handler: type[BaseHTTPRequestHandler],
        control: LineControl,
        answers: _Answers,
        token: str,
        wait_s: float,
    ) -> None:
        self.control, self.answers, self.token, self.wait_s = control, answers, token, wait_s
        super().__init__(address, handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        logger.info("http: a request from %s broke off", client_address[0])


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = _REQUEST_S
    protocol_version = "HTTP/1.1"
    server_version = "res2clip"
    sys_version = ""

    def do_GET(self) -> None:
        if self._allowed() and self._at("/health"):
            health = self.server.control.health()
            status = HTTPStatus.OK if health.ready else HTTPStatus.SERVICE_UNAVAILABLE
            self._answer(status, dataclasses.asdict(health))

    def do_POST(self) -> None:
        if not self._allowed() or not self._at("/trigger", "/product"):
            return
        try:
            if urlsplit(self.path).path == "/product":
                given = self._body("product")
                self.server.control.choose_recipe(_text(given, "product") or "")
                self._answer(HTTPStatus.OK, {"product": given["product"]})
            else:
                self._trigger(self._body("id"))
        except InputError as err:
            self._answer(HTTPStatus.CONFLICT, {"error": str(err)})

    def _trigger(self, given: dict[str, Any]) -> None:
        wanted, waits = _text(given, "id"), self._waits()
        if wanted is not None:
            self.server.answers.forget(wanted)  # of an earlier trigger of this id
        trigger_id = self.server.control.trigger(wanted)
        if not waits:
            self._answer(HTTPStatus.ACCEPTED, {"id": trigger_id})
            return
        verdict = self.server.answers.wait(trigger_id, self.server.wait_s)
        if verdict is None:
            self._answer(HTTPStatus.GATEWAY_TIMEOUT, {"id": trigger_id, "error": "no verdict yet"})
        else:
            self._answer(HTTPStatus.OK, verdict.to_json())

    def _waits(self) -> bool:
        asked = parse_qs(urlsplit(self.path).query, keep_blank_values=True)
        if unknown := [key for key in asked if key != "wait"]:
            raise InputError(f"/trigger has no parameter {unknown[0]!r}, expected: wait")
        return "wait" in asked and asked["wait"][-1] not in ("0", "false", "no")

    def _allowed(self) -> bool:
        given = self.headers.get("Authorization", "")
        wanted = f"Bearer {self.server.token}"
        if not self.server.token or hmac.compare_digest(given.encode(), wanted.encode()):
            return True
        self.close_connection = True  # its body was not read
        self._answer(HTTPStatus.UNAUTHORIZED, {"error": "the token is missing or wrong"})
        return False

    def _at(self, *places: str) -> bool:
        if urlsplit(self.path).path in places:
            return True
        self.close_connection = True  # its body was not read
        self._answer(HTTPStatus.NOT_FOUND, {"error": f"there are: {', '.join(places)}"})
        return False

    def _body(self, *known: str) -> dict[str, Any]:
        if coding := self.headers.get("Transfer-Encoding"):
            self.close_connection = True
            raise InputError(f"Transfer-Encoding is {coding!r}; send Content-Length instead")
        length = self.headers.get("Content-Length", "0")
        if not length.isdigit() or int(length) > _LONGEST_BODY:
            self.close_connection = True
            raise InputError(f"Content-Length is {length!r}, expected at most {_LONGEST_BODY}")
        data = self.rfile.read(int(length))
        try:
            given = json.loads(data) if data.strip() else {}
        except ValueError as err:
            raise InputError(f"the body is no JSON: {err}") from err
        if not isinstance(given, dict):
            raise InputError('the body is no JSON object, expected for example {"id": "17"}')
        if unknown := [key for key in given if key not in known]:
            raise InputError(f"there is no key {unknown[0]!r}, expected: {', '.join(known)}")
        return given

    def _answer(self, status: HTTPStatus, values: dict[str, Any]) -> None:
        data = (json.dumps(values, ensure_ascii=False) + "\n").encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *unused: object) -> None:
        """Say nothing: a request is no event of the line."""


def _text(given: dict[str, Any], key: str) -> str | None:
    value = given.get(key)
    if value is not None and (not isinstance(value, str) or not 0 < len(value) <= 200):
        raise InputError(f"{key} is {value!r}, expected a text of up to 200 characters")
    try:
        (value or "").encode()
    except UnicodeEncodeError as err:
        raise InputError(f"{key} is {value!r}, expected a text without lone surrogates") from err
    return value
