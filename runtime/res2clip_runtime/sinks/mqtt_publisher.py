"""Verdicts to an MQTT broker, each acknowledged before the next is sent.

    <prefix>/<line>/verdict    every verdict as JSON (docs/verdict.schema.json), QoS 1
    <prefix>/<line>/status     ``online`` or ``offline``, retained; the broker says ``offline``
                               itself when this process dies

One verdict is on its way at a time: what waits for a broker that is down or slow waits in the
worker's bounded queue, in order, and nowhere else.
"""

from __future__ import annotations

import contextlib
import json
import logging
import socket
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from res2clip_runtime.errors import InputError, MissingExtraError, OutputError
from res2clip_runtime.preprocess import PictureU8
from res2clip_runtime.sinks.config_checks import check_number, check_port, check_text
from res2clip_runtime.sinks.secret_file import read_secret
from res2clip_runtime.sinks.tls_client import tls_context
from res2clip_runtime.verdict import Verdict

if TYPE_CHECKING:
    import paho.mqtt.client as mqtt

__all__ = ["MqttConfig", "MqttPublisher"]

logger = logging.getLogger(__name__)

_FAREWELL_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttConfig:
    """A broker and how to reach it."""

    host: str
    """Name or address of the broker; with TLS it must be in the broker's certificate."""
    port: int = 0
    """TCP port; 0: 8883 with TLS, 1883 without."""
    username: str = ""
    """User at the broker; empty: none."""
    password_file: Path | None = None
    """File that holds the user's password in one line."""
    tls: bool = False
    """Whether the connection is encrypted and the broker's certificate verified."""
    ca_file: Path | None = None
    """Certificates of the authorities to trust, PEM; None: those of the system."""
    cert_file: Path | None = None
    """The client's own certificate, PEM, where the broker asks for one."""
    key_file: Path | None = None
    """The key of ``cert_file``, PEM; None: in the same file."""
    topic_prefix: str = "res2clip"
    """First part of every topic."""
    keepalive_s: int = 15
    """The broker says ``offline`` after one and a half times this without a sign of life."""
    ack_timeout_s: float = 5.0
    """How long the broker may take to acknowledge a verdict before the sink counts as failing."""

    def __post_init__(self) -> None:
        check_text("mqtt.host", self.host, forbidden=" /")
        check_port("mqtt.port", self.port)
        check_text("mqtt.topic_prefix", self.topic_prefix, forbidden="+#")
        check_number("mqtt.keepalive_s", self.keepalive_s, least=2, most=3600)
        check_number("mqtt.ack_timeout_s", self.ack_timeout_s, above=0, most=600)
        if self.password_file is not None and not self.username:
            raise InputError("mqtt.password_file is given without mqtt.username; give both")
        for field in ("ca_file", "cert_file", "key_file"):
            if getattr(self, field) is not None and not self.tls:
                raise InputError(f"mqtt.{field} is given, but mqtt.tls is false; set it to true")
        if self.key_file is not None and self.cert_file is None:
            raise InputError("mqtt.key_file is given without mqtt.cert_file; give both")

    @property
    def port_used(self) -> int:
        """The port, with the default filled in."""
        return self.port or (8883 if self.tls else 1883)


class MqttPublisher:
    """A connection to a broker that comes back by itself; says in its errors why it is away."""

    def __init__(self, config: MqttConfig, *, line: str, announces: bool = True) -> None:
        """Begin to connect; the broker need not be there yet.

        Args:
            config: the broker.
            line: name of the line in every topic; two lines of one name drive each other away.
            announces: whether the status is published; without, only the connection is tried.

        Raises:
            MissingExtraError: paho-mqtt is not installed.
            InputError: the line's name cannot be in a topic, or a file cannot be read.
        """
        check_text("the line's name", line, forbidden="/+#")
        self._config = config
        self._topic = f"{config.topic_prefix}/{line}"
        self._announces = announces
        self._changed = threading.Condition()
        self._connected = False
        self._why_away = "no connection yet"
        self._acknowledged: set[int] = set()
        self._on_its_way: tuple[Verdict, int] | None = None
        self._client: mqtt.Client | None = self._make_client(line)
        self._client.connect_async(config.host, config.port_used, config.keepalive_s)
        self._client.loop_start()

    def wait_connected(self, timeout_s: float) -> None:
        """Return once the broker has accepted the connection.

        Raises:
            OutputError: it has not within ``timeout_s`` seconds; the message says why.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._connected, timeout_s):
                raise self._away()

    def write(self, verdict: Verdict, picture: PictureU8 | None = None) -> None:
        """Publish one verdict and wait until the broker has it.

        Called again with the same verdict it waits for the acknowledgement that is due: a verdict
        is not published twice.

        Raises:
            OutputError: there is no connection, or no acknowledgement came in time.
        """
        client = self._client
        with self._changed:
            if client is None or not self._connected:
                raise self._away()
        if self._on_its_way is None or self._on_its_way[0] is not verdict:
            payload = json.dumps(verdict.to_json(), ensure_ascii=False, allow_nan=False)
            # The code it returns is of no use: without a connection it says "not connected", and
            # the message is queued all the same. Only an acknowledgement counts.
            self._acknowledged.clear()
            sent = client.publish(f"{self._topic}/verdict", payload.encode(), qos=1)
            self._on_its_way = (verdict, sent.mid)
        self._await_acknowledgement(self._on_its_way[1])
        self._on_its_way = None

    def close(self) -> None:
        """Say ``offline`` and leave the broker; whatever it does, this ends within seconds."""
        client, self._client = self._client, None
        if client is None:
            return
        with self._changed:
            connected = self._connected
        if connected and self._announces:
            said = client.publish(f"{self._topic}/status", "offline", qos=1, retain=True)
            with contextlib.suppress(OutputError):
                self._await_acknowledgement(said.mid, _FAREWELL_S)
        client.disconnect()
        with self._changed:
            self._changed.wait_for(lambda: not self._connected, _FAREWELL_S)
        # paho's thread waits for messages that a silent broker never acknowledges.
        if isinstance(connection := client.socket(), socket.socket):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        # Neither can its thread be woken from a TLS handshake that a broker leaves unanswered; it
        # ends with the handshake, at the latest after keepalive_s.
        ending = threading.Thread(target=client.loop_stop, name="mqtt-end", daemon=True)
        ending.start()
        ending.join(_FAREWELL_S)

    def _make_client(self, line: str) -> mqtt.Client:
        try:
            import paho.mqtt.client as mqtt
            from paho.mqtt.enums import CallbackAPIVersion
        except ImportError as err:
            raise MissingExtraError("paho-mqtt", extra="mqtt", purpose="MQTT") from err
        config = self._config
        # The id is always the same: the broker then ends an old half-open connection before it
        # accepts the new one, and its last will cannot come after our "online".
        client_id = f"res2clip-{line}" if self._announces else ""
        client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=client_id, clean_session=True)
        if config.tls:
            client.tls_set_context(
                tls_context(
                    "mqtt",
                    ca_file=config.ca_file,
                    cert_file=config.cert_file,
                    key_file=config.key_file,
                )
            )
        if config.username:
            password = config.password_file and read_secret(
                "mqtt.password_file", config.password_file
            )
            client.username_pw_set(config.username, password or None)
            if password and not config.tls:
                logger.warning("mqtt: the password goes to %s unencrypted", config.host)
        if self._announces:
            client.will_set(f"{self._topic}/status", "offline", qos=1, retain=True)
        client.reconnect_delay_set(1, 5)
        client.connect_timeout = 3.0
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        return client

    def _await_acknowledgement(self, mid: int, timeout_s: float | None = None) -> None:
        limit_s = self._config.ack_timeout_s if timeout_s is None else timeout_s
        until = time.monotonic() + limit_s
        with self._changed:
            while mid not in self._acknowledged:
                if not self._connected:
                    raise self._away()
                if (left := until - time.monotonic()) <= 0:
                    raise OutputError(
                        f"the MQTT broker {self._place} has not acknowledged a verdict within "
                        f"{limit_s:g} s; see whether it is overloaded or the network is down"
                    )
                self._changed.wait(left)

    def _away(self) -> OutputError:
        return OutputError(f"no connection to the MQTT broker {self._place}: {self._why_away}")

    @property
    def _place(self) -> str:
        return f"{self._config.host}:{self._config.port_used}"

    def _set_connected(self, connected: bool, why_away: str = "") -> None:
        with self._changed:
            self._connected, self._why_away = connected, why_away
            self._changed.notify_all()

    # What follows is called by paho's thread.

    def _on_connect(self, client: mqtt.Client, data: Any, flags: Any, reason: Any, _: Any) -> None:
        if reason.is_failure:
            self._set_connected(
                False,
                f"it refused: {reason}; check mqtt.username, mqtt.password_file and the broker's "
                "log",
            )
            return
        if self._announces:
            client.publish(f"{self._topic}/status", "online", qos=1, retain=True)
        self._set_connected(True)

    def _on_connect_fail(self, client: mqtt.Client, data: Any) -> None:
        # Called while paho handles the error, which it passes to nobody.
        error = sys.exc_info()[1]
        self._set_connected(False, f"{error or 'it does not answer'}; it is tried again")

    def _on_disconnect(
        self, client: mqtt.Client, data: Any, flags: Any, reason: Any, _: Any
    ) -> None:
        with self._changed:
            # After a refusal the broker hangs up: the refusal is the reason that helps.
            why = f"it was lost: {reason}" if self._connected else self._why_away
        self._set_connected(False, why)

    def _on_publish(self, client: mqtt.Client, data: Any, mid: int, reason: Any, _: Any) -> None:
        with self._changed:
            self._acknowledged.add(mid)
            self._changed.notify_all()
