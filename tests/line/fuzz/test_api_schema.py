"""Requests made from the API's description, proper and not: never a 500, never undescribed."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from line.fuzz.hostile_line import HostileLine

schemathesis = pytest.importorskip("schemathesis", reason="makes the requests")

_ENDLESS = ("/api/events", "/api/live.mjpg")
_CHECKS = (
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)
_HEADERS = {"X-Res2clip": "1"}


@pytest.fixture(scope="module")
def description(target: HostileLine) -> dict[str, Any]:
    status, document = target.ask("GET", "/api/openapi.json")
    assert status == 200
    return document


def described(description: dict[str, Any]) -> list[tuple[str, str]]:
    return [(m, p) for p, methods in description["paths"].items() for m in methods]


class TriggersMeanwhile:
    """A host program that goes on working while the API is attacked; every answer must be right."""

    def __init__(self, line: HostileLine) -> None:
        self._line = line
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work)
        self.answers: list[tuple[int, Any]] = []

    def _work(self) -> None:
        while not self._stop.wait(0.05):
            status, verdict = self._line.ask("POST", "/api/trigger?wait", {})
            self.answers.append((status, verdict.get("decision")))

    def __enter__(self) -> TriggersMeanwhile:
        self._thread.start()
        return self

    def __exit__(self, *unused: object) -> None:
        self._stop.set()
        self._thread.join()


def test_requests_made_from_the_description(
    level: HostileLine, description: dict[str, Any]
) -> None:
    schema = schemathesis.openapi.from_dict(description)
    tried = set()
    with TriggersMeanwhile(level) as meanwhile:
        for result in schema.get_all_operations():
            operation = result.ok()
            if operation.path in _ENDLESS:
                continue
            for mode in (
                schemathesis.GenerationMode.POSITIVE,
                schemathesis.GenerationMode.NEGATIVE,
            ):
                attack(level, operation, mode)
            tried.add((operation.method, operation.path))
    expected = {(m, p) for m, p in described(description) if p not in _ENDLESS}
    assert tried == expected
    assert len(meanwhile.answers) > 5
    assert {status for status, _ in meanwhile.answers} == {200}
    assert {decision for _, decision in meanwhile.answers} <= {"OK", "NG"}


def attack(line: HostileLine, operation: Any, mode: Any) -> None:
    checks = schemathesis.checks.CHECKS.get_by_names(_CHECKS)

    @settings(
        max_examples=25,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def send(case: Any) -> None:
        answer = case.call(base_url=line.url, headers=_HEADERS, timeout=30)
        known = operation.definition.raw["responses"]
        said = f"{case.method} {case.path} -> {answer.status_code} {answer.content[:200]!r}"
        assert answer.status_code != 500, said
        if (case.path, answer.status_code) == ("/api/tray", 201):  # a tray is soon full
            line.ask("DELETE", f"/api/tray/{answer.json()['id']}")
        if str(answer.status_code) not in known:
            # A made parameter with a slash asks for another place; the rest is described.
            assert answer.status_code in (404, 405), said
        else:
            case.validate_response(answer, checks=checks)

    try:
        send()
    except Unsatisfiable:  # without parameters nothing can be wrong about a request
        assert mode is schemathesis.GenerationMode.NEGATIVE


def test_an_answer_that_is_not_as_described_would_be_found(
    level: HostileLine, description: dict[str, Any]
) -> None:
    """Otherwise the test above could not fail."""
    wrong = json.loads(json.dumps(description))
    wrong["components"]["schemas"]["Me"]["properties"]["name"] = {"type": "integer"}
    schema = schemathesis.openapi.from_dict(wrong)
    with pytest.raises(schemathesis.core.failures.FailureGroup):
        attack(level, schema["/api/me"]["GET"], schemathesis.GenerationMode.POSITIVE)


def test_methods_that_are_not_described_are_refused(
    level: HostileLine, description: dict[str, Any]
) -> None:
    for path, methods in description["paths"].items():
        for method in ("GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS", "HEAD", "TRACE"):
            if method.lower() not in methods:
                assert level.ask(method, path.replace("{", "").replace("}", ""))[0] in (404, 405)


def test_the_document_is_valid_openapi(description: dict[str, Any]) -> None:
    assert description["openapi"].startswith("3.1")
    assert json.loads(json.dumps(description)) == description
