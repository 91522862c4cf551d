"""The page as part of the service: a process with a configuration."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import httpx
from line.components.child import await_true, free_port
from line.components.http_call import await_ready
from line.components.running_line import RunningLine, write_config

from res2clip_runtime.service.config import CameraTable


def test_service_with_open_streams_ends_when_it_is_told(
    tmp_path: Path, bundle: Path, recipe_files: list[Path], camera: CameraTable
) -> None:
    port = free_port()
    config = write_config(
        tmp_path / "line",
        f'[[camera]]\nname = "top"\nsource = {json.dumps(camera.source)}',
        f"[web]\nport = {port}",
        recipe=recipe_files[0],
        bundle=bundle,
    )
    with RunningLine(config) as line:
        await_ready(port)
        with (
            socket.create_connection(("127.0.0.1", port), timeout=20) as pictures,
            socket.create_connection(("127.0.0.1", port), timeout=20) as events,
            socket.create_connection(("127.0.0.1", port), timeout=20) as nonsense,
        ):
            pictures.sendall(b"GET /api/live.mjpg HTTP/1.1\r\nHost: localhost\r\n\r\n")
            events.sendall(b"GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert pictures.recv(9) == events.recv(9) == b"HTTP/1.1 "
            nonsense.sendall(b"\x16\x03\x01 no HTTP\r\n\r\n")
            assert b"400" in nonsense.recv(100)
            assert line.stop() == 0
    assert (config.parent / "page" / "audit.jsonl").exists()
    events_in_log = line.log.splitlines()
    assert not [text for text in events_in_log if not text.startswith("time=")]
    assert "Traceback" not in line.log


def test_line_without_any_recipe_starts_and_says_what_is_missing(
    tmp_path: Path, bundle: Path, camera: CameraTable
) -> None:
    port = free_port()
    (tmp_path / "line.toml").write_text(
        f"[model]\nbundle = {json.dumps(str(bundle))}\nthreads = 1\n"
        f'[[camera]]\nname = "top"\nsource = {json.dumps(camera.source)}\n[web]\nport = {port}\n'
    )

    def health() -> dict[str, object] | None:
        try:
            return httpx.get(f"http://127.0.0.1:{port}/api/health", trust_env=False).json()
        except httpx.TransportError:
            return None

    with RunningLine(tmp_path / "line.toml") as line:
        found = await_true(health, "the server answers")
        assert line.stop() == 0
    assert found["ready"] is False
    assert "nothing has been taught yet" in found["reason"] or "camera" in found["reason"]
