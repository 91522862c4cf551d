"""Live pictures and events: many who look, slow ones, dead ones, and the end."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest
from line.components.child import await_true
from line.components.mjpeg_server import MjpegServer
from line.web.conftest import Serve, Served
from PIL import Image

from res2clip_runtime.service.config import CameraTable
from res2clip_runtime.web import bounded_server, connection, streams


def events(client: httpx.Client) -> Iterator[tuple[str, dict[str, object]]]:
    """Yield kind and values of what comes."""
    with client.stream("GET", "/api/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        kind = ""
        for line in answer.iter_lines():
            if line.startswith("event: "):
                kind = line[7:]
            elif line.startswith("data: "):
                yield kind, json.loads(line[6:])


@contextmanager
def raw_stream(served: Served, path: str) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", served.web.port), timeout=20) as raw:
        raw.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        yield raw


def read_until(raw: socket.socket, count: int, what: bytes) -> bytes:
    """Return what came until ``what`` was there so often."""
    data = b""
    while data.count(what) < count:
        chunk = raw.recv(65_536)
        assert chunk, "the stream ended"
        data += chunk
    return data


def test_events_begin_with_the_health_and_bring_every_verdict_once(
    served: Served, client: httpx.Client
) -> None:
    seen: list[int] = []
    source = events(client)
    assert next(source)[0] == "health"
    for kind, values in source:
        if kind == "verdict":
            assert {"frame_id", "decision", "regions", "latency_ms"} <= values.keys()
            seen.append(int(str(values["number"])))
        if len(seen) == 20:
            break
    source.close()  # type: ignore[attr-defined]
    assert seen == list(range(seen[0], seen[0] + 20))


def test_what_others_change_is_told(served: Served, client: httpx.Client) -> None:
    told: list[dict[str, object]] = []
    listening = threading.Event()

    def listen() -> None:
        with served.client() as other:
            for kind, values in events(other):
                listening.set()
                if kind == "changed":
                    told.append(values)
                if {"product", "threshold"} <= {str(v["what"]) for v in told}:
                    return

    thread = threading.Thread(target=listen)
    thread.start()
    assert listening.wait(20)
    client.post("/api/product", json={"product": "nut"})
    client.put("/api/recipes/nut/threshold", json={"score": 0.7})
    thread.join(20)
    assert not thread.is_alive()
    by_kind = {str(values["what"]): values for values in told}
    assert by_kind["product"]["product"] == "nut"
    assert by_kind["threshold"]["new"] == 0.7


def test_progress_of_teaching_is_told(served: Served, client: httpx.Client) -> None:
    from line.web.test_teaching_on_the_page import freeze, teach

    ids = freeze(client, 3)
    told: list[dict[str, object]] = []
    with served.client() as other:
        source = events(other)
        next(source)
        thread = threading.Thread(target=lambda: teach(client, "cap", ids))
        thread.start()
        for kind, values in source:
            if kind == "teaching":
                told.append(values)
            if len(told) == 3:
                break
        source.close()  # type: ignore[attr-defined]
        thread.join()
    assert [(v["done"], v["total"]) for v in told] == [(1, 3), (2, 3), (3, 3)]


def test_live_pictures_come_whole_and_each_ends_with_its_boundary(
    served: Served, client: httpx.Client
) -> None:
    with raw_stream(served, "/api/live.mjpg?heat=1&camera=top") as raw:
        data = read_until(raw, 4, b"--picture\r\n")
    body = data.partition(b"\r\n\r\n")[2]
    assert body.count(b"\xff\xd8\xff") >= 3
    assert b"X-Part-Number: " in body
    assert client.get("/api/live.jpg?camera=none").status_code == 404


def test_nothing_is_drawn_while_nobody_looks(served: Served, client: httpx.Client) -> None:
    with raw_stream(served, "/api/live.mjpg") as raw:
        read_until(raw, 3, b"--picture")
    live = served.web._state.live  # type: ignore[union-attr]
    await_true(lambda: not live._channels, "the last viewer has gone")


def test_viewer_that_takes_nothing_holds_up_neither_line_nor_others(served: Served) -> None:
    with ExitStack() as stack:
        for _ in range(5):
            frozen = stack.enter_context(raw_stream(served, "/api/live.mjpg"))
            frozen.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            stack.enter_context(raw_stream(served, "/api/events"))
        with raw_stream(served, "/api/live.mjpg") as good:
            read_until(good, 10, b"--picture\r\n")
        served.await_parts(20)


def test_stream_whose_viewer_is_stuck_is_ended(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "_STUCK_S", 0.2)
    (tmp_path / "large").mkdir()
    for seed in range(3):
        noise = np.random.default_rng(seed).integers(0, 256, (480, 640, 3), dtype=np.uint8)
        Image.fromarray(noise).save(tmp_path / "large" / f"{seed}.png")
    with MjpegServer(tmp_path / "large") as large:
        served = serve(CameraTable(name="top", source=large.url))
        with raw_stream(served, "/api/live.mjpg") as frozen:
            frozen.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            registry = served.web._state.streams._open  # type: ignore[union-attr]
            await_true(lambda: len(registry) == 1, "it is open")
            await_true(lambda: not registry, "it was ended")
        served.web.close()
        served.run.line.close()


def test_more_streams_than_there_may_be_are_refused(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "MOST", 2)
    with raw_stream(served, "/api/events") as one, raw_stream(served, "/api/events") as two:
        for raw in (one, two):
            read_until(raw, 1, b"event: health")
        with served.client() as client:
            answer = client.get("/api/events")
    assert answer.status_code == 503


def test_connection_that_never_asks_is_closed(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "FIRST_S", 0.3)
    served = serve()
    for begun in (b"", b"GET /api/me HTTP/1.1\r\nHo"):
        with socket.create_connection(("127.0.0.1", served.web.port), timeout=20) as raw:
            raw.sendall(begun)
            with pytest.raises(ConnectionResetError) if begun else _closed():
                if not raw.recv(10):
                    raise ConnectionResetError


@contextmanager
def _closed() -> Iterator[None]:
    with pytest.raises(ConnectionResetError):
        yield


def test_more_connections_than_there_may_be_are_closed(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded_server, "MOST", 3)
    served = serve()
    with ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(socket.create_connection(("127.0.0.1", served.web.port)))
        with (
            socket.create_connection(("127.0.0.1", served.web.port), timeout=20) as raw,
            _closed(),
        ):
            raw.sendall(b"GET /api/me HTTP/1.1\r\nHost: localhost\r\n\r\n")
            if not raw.recv(10):
                raise ConnectionResetError


def test_server_ends_soon_although_streams_are_open(served: Served) -> None:
    with (
        raw_stream(served, "/api/live.mjpg") as pictures,
        raw_stream(served, "/api/events") as told,
        raw_stream(served, "/api/live.mjpg") as frozen,
    ):
        frozen.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        read_until(pictures, 2, b"--picture")
        read_until(told, 1, b"event: health")
        began = time.monotonic()
        served.web.close()
        assert time.monotonic() - began < 10  # a hang, not a speed
        for raw in (pictures, told):
            while raw.recv(65_536):
                pass
    served.await_parts(5)
    assert not [t.name for t in threading.enumerate() if t.name.startswith("web")]
