"""A real mosquitto with TLS and passwords on loopback, which tests kill and start again."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import signal
import socket
import ssl
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest
from line_waiting import wait_until

__all__ = ["USER", "Broker", "Subscriber", "free_port"]

USER, PASSWORD = "edge", "s3cret-of-the-edge"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Broker:
    """Listens on ``port`` from ``start`` to ``kill``."""

    def __init__(self, folder: Path, tls: Path) -> None:
        program = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin")
        if program is None:
            pytest.skip("mosquitto is not installed (apt-get install mosquitto)")
        self._program: str = program
        self.folder = folder
        self.ca_file = tls / "ca.crt"
        self.port = free_port()
        self.password_file = folder / "password"
        self.password_file.write_text(PASSWORD + "\n")
        users = folder / "users"
        subprocess.run(
            ["mosquitto_passwd", "-b", "-c", str(users), USER, PASSWORD],
            check=True,
            capture_output=True,
        )
        (folder / "mosquitto.conf").write_text(
            f"listener {self.port} 127.0.0.1\ncafile {self.ca_file}\n"
            f"certfile {tls / 'server.crt'}\nkeyfile {tls / 'server.key'}\n"
            f"allow_anonymous false\npassword_file {users}\nuser {getpass.getuser()}\n"
            "persistence false\nmax_queued_messages 0\n"
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self.folder / "mosquitto.log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._program, "-c", str(self.folder / "mosquitto.conf")], stdout=log, stderr=log
            )
        wait_until(self._listens, what="mosquitto listens")

    def kill(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGKILL)
            process.wait()

    def _listens(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False


class Subscriber:
    """Everything published on the broker from the moment that it is made, in order."""

    def __init__(self, broker: Broker, topic: str = "#") -> None:
        import paho.mqtt.client as mqtt

        self.messages: list[tuple[str, str, bool]] = []
        """Topic, payload, retained."""
        self._subscribed = threading.Event()
        self._client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
        self._client.tls_set_context(ssl.create_default_context(cafile=broker.ca_file))
        self._client.username_pw_set(USER, PASSWORD)
        self._client.on_connect = lambda client, *_: client.subscribe(topic, qos=1)
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = self._on_message
        self._client.connect("127.0.0.1", broker.port)
        self._client.loop_start()
        assert self._subscribed.wait(10)

    def payloads(self, topic: str) -> list[str]:
        return [payload for at, payload, _ in list(self.messages) if at == topic]

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _on_message(self, client: Any, data: Any, message: Any) -> None:
        self.messages.append((message.topic, message.payload.decode(), message.retain))
