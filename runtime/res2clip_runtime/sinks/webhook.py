"""Verdicts posted as JSON to a web server, one after the other."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
import threading
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from res2clip_runtime.errors import InputError, OutputError
from res2clip_runtime.preprocess import PictureU8
from res2clip_runtime.sinks.config_checks import check_number, check_text, check_whole
from res2clip_runtime.sinks.secret_file import read_secret
from res2clip_runtime.sinks.tls_client import tls_context
from res2clip_runtime.verdict import Verdict

__all__ = ["Webhook", "WebhookConfig"]

_LONGEST_ANSWER_BYTES = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookConfig:
    """Where verdicts are posted."""

    url: str
    """``https://host[:port]/path`` or ``http://...``; a certificate is always verified."""
    header: str = "Authorization"
    """Name of the header that carries the secret."""
    secret_file: Path | None = None
    """File with the header's value in one line, such as ``Bearer abc``; None: no such header."""
    ca_file: Path | None = None
    """Certificates of the authorities to trust, PEM; None: those of the system."""
    timeout_s: float = 5.0
    """How long a whole request may take."""
    attempts: int = 5
    """Attempts per verdict before it is dropped and counted."""

    def __post_init__(self) -> None:
        check_text("webhook.url", self.url, forbidden=" ")
        if not self.url.isascii():
            raise InputError(f"webhook.url is {self.url!r}, expected ASCII; escape others with %")
        parts = _split(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InputError(f"webhook.url is {self.url!r}, expected https://host/path or http://")
        if parts.username is not None or parts.password is not None:
            raise InputError(
                "webhook.url holds a user or password; put it into webhook.secret_file, "
                "as 'Basic ...'"
            )
        check_text("webhook.header", self.header, forbidden=" :")
        if not self.header.isascii():
            raise InputError(f"webhook.header is {self.header!r}, expected ASCII letters")
        check_number("webhook.timeout_s", self.timeout_s, above=0, most=300)
        check_whole("webhook.attempts", self.attempts, least=1)
        if self.ca_file is not None and parts.scheme != "https":
            raise InputError("webhook.ca_file is given, but webhook.url is not https://")


class Webhook:
    """Posts each verdict on a connection of its own: nothing old can be half-open."""

    def __init__(self, config: WebhookConfig) -> None:
        """Read the secret and certificates; the server need not be there yet.

        Raises:
            InputError: a file cannot be read or is not what it should be.
        """
        self._config = config
        self._parts = _split(config.url)
        self._context: ssl.SSLContext | None = None
        if self._parts.scheme == "https":
            self._context = tls_context(
                "webhook", ca_file=config.ca_file, cert_file=None, key_file=None
            )
        self._headers = {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "res2clip",
        }
        if config.secret_file is not None:
            secret = read_secret("webhook.secret_file", config.secret_file)
            if not (secret.isascii() and secret.isprintable()):
                raise InputError("webhook.secret_file: expected printable ASCII, as headers are")
            self._headers[config.header] = secret

    def write(self, verdict: Verdict, picture: PictureU8 | None = None) -> None:
        """Post one verdict; it is taken when the server answers 2xx.

        Raises:
            OutputError: there is no such answer in time.
        """
        body = json.dumps(verdict.to_json(), ensure_ascii=False, allow_nan=False).encode()
        try:
            status, reason = self._post(body)
        except (OSError, http.client.HTTPException) as err:
            raise OutputError(
                f"cannot post to {self._place}: {_why(err, self._config.timeout_s)}"
            ) from err
        if not 200 <= status < 300:
            raise OutputError(
                f"{self._place} answered {status} {reason}, expected 2xx; see its log"
            )

    def reach(self) -> None:
        """Return if the server accepts a connection; nothing is posted.

        Raises:
            OutputError: it does not.
        """
        try:
            with contextlib.closing(self._connection()) as connection:
                connection.connect()
        except OSError as err:
            raise OutputError(
                f"cannot reach {self._place}: {_why(err, self._config.timeout_s)}"
            ) from err

    def close(self) -> None:
        """Do nothing: every request is over already."""

    def _post(self, body: bytes) -> tuple[int, str]:
        with contextlib.closing(self._connection()) as connection:
            # A timeout of the socket is one of silence: a server that sends a byte now and then
            # would never run into it.
            alarm = threading.Timer(self._config.timeout_s, _hang_up, [connection])
            alarm.daemon = True
            connection.connect()
            alarm.start()
            try:
                path = self._parts.path or "/"
                target = f"{path}?{self._parts.query}" if self._parts.query else path
                connection.request("POST", target, body, self._headers)
                answer = connection.getresponse()
                with contextlib.closing(answer):
                    answer.read(_LONGEST_ANSWER_BYTES)
                return answer.status, answer.reason
            finally:
                alarm.cancel()
                alarm.join()

    def _connection(self) -> http.client.HTTPConnection:
        host, port = self._parts.hostname or "", self._parts.port
        timeout_s = self._config.timeout_s
        if self._context is not None:
            return http.client.HTTPSConnection(host, port, timeout=timeout_s, context=self._context)
        return http.client.HTTPConnection(host, port, timeout=timeout_s)

    @property
    def _place(self) -> str:
        # Without the query, in which some servers want a token.
        return f"{self._parts.scheme}://{self._parts.netloc}{self._parts.path}"


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as err:
        raise InputError(f"webhook.url is {url!r}, expected https://host:port/path: {err}") from err
    return parts


def _hang_up(connection: http.client.HTTPConnection) -> None:
    if connection.sock is not None:
        with contextlib.suppress(OSError):
            connection.sock.shutdown(socket.SHUT_RDWR)


def _why(err: Exception, timeout_s: float) -> str:
    if isinstance(err, TimeoutError):
        return f"no answer within {timeout_s:g} s"
    return str(err) or type(err).__name__
