"""The OpenAPI document, held to the routes and to real answers."""

from __future__ import annotations

import json
import re

import httpx
import pytest
from drawn_parts import draw_part
from line.web.conftest import Served
from line.web.test_teaching_on_the_page import freeze
from line.web.test_uploads import encoded

from res2clip_runtime.web.endpoints import ENDPOINTS
from res2clip_runtime.web.routes.documents import OPENAPI

DOCUMENT = json.loads(OPENAPI.read_text(encoding="utf-8"))


def operation(method: str, path: str) -> dict[str, object]:
    return DOCUMENT["paths"][path][method.lower()]


def test_document_and_routes_agree_on_places_methods_and_roles() -> None:
    described = {
        (method.upper(), path, values["x-role"])
        for path, methods in DOCUMENT["paths"].items()
        for method, values in methods.items()
    }
    served = {
        (e.method, re.sub(r":\w+}", "}", e.path), e.role)
        for e in ENDPOINTS
        if e.path.startswith("/api/")
    }
    assert described == served


def test_document_is_valid() -> None:
    validator = pytest.importorskip("openapi_spec_validator")
    validator.validate(DOCUMENT)


def test_every_reference_has_its_target() -> None:
    names = re.findall(r'"#/components/schemas/(\w+)"', json.dumps(DOCUMENT))
    assert set(names) <= set(DOCUMENT["components"]["schemas"])
    assert set(DOCUMENT["components"]["schemas"]) <= set(names)


def check(method: str, path: str, answer: httpx.Response) -> None:
    """Hold an answer to what the document says of it."""
    jsonschema = pytest.importorskip("jsonschema")
    responses = operation(method, path)["responses"]
    said = responses[str(answer.status_code)]  # type: ignore[index]
    if answer.status_code == 204:
        return
    kind = answer.headers["content-type"].partition(";")[0]
    schema = said["content"][kind]["schema"]
    if kind == "application/json":
        whole = {**schema, "components": DOCUMENT["components"]}
        jsonschema.Draft202012Validator(whole).validate(answer.json())


def test_answers_are_as_the_document_says(served: Served, client: httpx.Client) -> None:
    ids = freeze(client, 2)
    number = client.get("/api/parts").json()[-1]["number"]
    from line.web.test_parts_and_feedback import await_ng

    ng_id = await_ng(client)[0]["id"]
    asked: list[tuple[str, str, str, object]] = [
        ("GET", "/api/openapi.json", "", None),
        ("POST", "/api/login", "", {"name": "a", "password": "b"}),
        ("GET", "/api/me", "", None),
        ("GET", "/api/health", "", None),
        ("GET", "/api/live.jpg", "?heat=true", None),
        ("GET", "/api/parts", "?limit=3", None),
        ("POST", "/api/trigger", "", {"id": "1"}),
        ("POST", "/api/product", "", {"product": "nut"}),
        ("POST", "/api/product", "", {"product": "bolt"}),
        ("POST", "/api/product", "", {"prodcut": "bolt"}),
        ("GET", "/api/ng", "", None),
        ("GET", "/api/ng/{id}.jpg", f"/api/ng/{ng_id}.jpg", None),
        ("POST", "/api/feedback", "", {"number": number, "label": "good"}),
        ("POST", "/api/feedback", "", {"number": 10**12, "label": "good"}),
        ("POST", "/api/tray", "", {}),
        ("GET", "/api/tray/{id}.jpg", f"/api/tray/{ids[0]}.jpg", None),
        ("POST", "/api/teach", "", {"product": "cap", "pictures": ids}),
        ("DELETE", "/api/tray/{id}", f"/api/tray/{ids[0]}", None),
        ("GET", "/api/recipes", "", None),
        (
            "GET",
            "/api/recipes/{product}/references/{n}.png",
            "/api/recipes/nut/references/0.png",
            None,
        ),
        ("PUT", "/api/recipes/{product}/threshold", "/api/recipes/nut/threshold", {"score": 0.7}),
        ("GET", "/api/metrics", "", None),
        ("POST", "/api/logout", "", {}),
    ]
    for method, path, rest, body in asked:
        url = rest if rest.startswith("/") else path + rest
        answer = client.request(method, url, json=body) if body else client.request(method, url)
        check(method, path, answer)
    upload = client.post(
        "/api/inspect", content=encoded(draw_part(3)), headers={"Content-Type": "image/png"}
    )
    check("POST", "/api/inspect", upload)
    assert {(m, p) for m, p, *_ in asked} | {("POST", "/api/inspect")} == {
        (e.method, re.sub(r":\w+}", "}", e.path))
        for e in ENDPOINTS
        if e.path.startswith("/api/") and e.path not in ("/api/events", "/api/live.mjpg")
    }
