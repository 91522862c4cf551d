"""A request to the HTTP API of a line; also from inside a private network."""

from __future__ import annotations

import http.client
import json
import time


def call(port: int, method: str, path: str, body: dict[str, object] | None = None):
    """Return (status, JSON of the answer)."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(
            method, path, body=json.dumps(body) if body else None, headers={"X-Res2clip": "test"}
        )
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def await_ready(port: int, deadline_s: float = 20.0) -> dict[str, object]:
    """Return the health of the line when it is ready."""
    end = time.monotonic() + deadline_s
    while True:
        try:
            status, health = call(port, "GET", "/api/health")
        except OSError:
            status, health = 0, {}
        if status == 200:
            return health
        if time.monotonic() > end:
            raise AssertionError(f"not ready in {deadline_s:g} s: {health}")
        time.sleep(0.05)


def trigger(port: int, count: int) -> list[dict[str, object]]:
    """Trigger one after the other when the line is ready, and return the verdicts."""
    await_ready(port)
    return [call(port, "POST", "/api/trigger?wait", {"id": f"part {n}"})[1] for n in range(count)]
