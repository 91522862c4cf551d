"""A client that another project's generator makes from the API's description uses every route."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from drawn_parts import draw_part
from line.components.child import await_true
from line.fuzz.hostile_line import HostileLine
from PIL import Image


class Generated:
    """Calls the generated functions by their group and name."""

    def __init__(self, package: str, url: str) -> None:
        self._package = package
        self.models = importlib.import_module(f"{package}.models")
        self.types = importlib.import_module(f"{package}.types")
        client = importlib.import_module(f"{package}.client").Client
        self.client = client(url, headers={"X-Res2clip": "1"}, raise_on_unexpected_status=True)
        self.used: set[str] = set()

    def __call__(self, function: str, *given: Any, **options: Any) -> SimpleNamespace:
        """Return status and parsed answer of a call such as ``line.trigger``."""
        module = importlib.import_module(f"{self._package}.api.{function}")
        self.used.add(function)
        answer = module.sync_detailed(*given, client=self.client, **options)
        return SimpleNamespace(
            status=int(answer.status_code), parsed=answer.parsed, content=answer.content
        )


@pytest.fixture(scope="module")
def api(target: HostileLine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Generated]:
    pytest.importorskip(
        "openapi_python_client", reason="pip install --no-deps openapi-python-client (make test)"
    )
    folder = tmp_path_factory.mktemp("generated")
    _, document = target.ask("GET", "/api/openapi.json")
    (folder / "api.json").write_text(json.dumps(document))
    # The generator knows bytes only under this name.
    kinds = ("jpeg", "png", "bmp", "tiff", "webp")
    overrides = {f"image/{kind}": "application/octet-stream" for kind in kinds}
    (folder / "config.json").write_text(json.dumps({"content_type_overrides": overrides}))
    command = [
        sys.executable, "-m", "openapi_python_client", "generate", "--meta", "none",
        "--config", "config.json", "--path", "api.json", "--output-path", "line_client",
    ]  # fmt: skip
    made = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stdout + made.stderr
    sys.path.insert(0, str(folder))
    generated = Generated("line_client", target.url)
    with generated.client:
        yield generated
    sys.path.remove(str(folder))


def test_line_is_asked_triggered_and_switched(api: Generated, target: HostileLine) -> None:
    assert api("line.get_health").parsed.ready is True
    assert api("line.choose_product", body=api.models.Product(product="washer")).status == 200
    answer = api("line.trigger", body=api.models.Trigger(id="generated 1"), wait=True)
    assert (answer.status, answer.parsed.decision) == (200, "OK")
    answer = api("line.trigger", body=api.models.Trigger(id="generated 2"))
    assert (answer.status, answer.parsed.id) == (202, "generated 2")
    await_true(
        lambda: "generated 2" in {part.trigger_id for part in api("line.list_parts").parsed},
        "the part is among the last",
    )
    refused = api("line.choose_product", body=api.models.Product(product="bolt"))
    assert refused.status == 409
    assert "there is no recipe" in refused.parsed.error
    picture = await_true(lambda: api("line.get_live_picture").content, "a live picture")
    assert picture.startswith(b"\xff\xd8")


def test_results_and_pictures_stream(api: Generated, target: HostileLine) -> None:
    with api.client.get_httpx_client().stream("GET", "/api/events") as stream:
        lines = stream.iter_lines()
        assert next(text for text in lines if text.startswith("event")) == "event: health"
        api("line.trigger", body=api.models.Trigger(id="streamed"))
        verdict = next(
            json.loads(text[6:])
            for text in lines
            if text.startswith("data: ") and "streamed" in text
        )
    parsed = api.models.Verdict.from_dict(verdict)
    assert (parsed.trigger_id, parsed.decision) == ("streamed", "OK")
    with api.client.get_httpx_client().stream("GET", "/api/live.mjpg") as stream:
        assert stream.headers["content-type"].startswith("multipart/x-mixed-replace")
        assert any(b"image/jpeg" in piece for piece in stream.iter_bytes())
    api.used |= {"line.get_events", "line.get_live_stream"}


def test_ng_parts_are_listed_shown_and_judged(api: Generated, target: HostileLine) -> None:
    api("line.choose_product", body=api.models.Product(product="strict"))
    answer = api("line.trigger", body=api.models.Trigger(id="bad"), wait=True)
    assert answer.parsed.decision == "NG"
    kept = await_true(
        lambda: [p for p in api("kept.list_ng_parts").parsed if p.trigger_id == "bad"], "it is kept"
    )
    assert api("kept.get_ng_picture", str(kept[0].id), heat=True).content[:2] == b"\xff\xd8"
    body = {"id": kept[0].id, "label": "good", "comment": "looks fine"}
    assert api("kept.give_feedback", body=body).status == 201
    api("line.choose_product", body=api.models.Product(product="washer"))


def test_product_is_taught_and_its_threshold_set(api: Generated, target: HostileLine) -> None:
    frozen = api("teaching.freeze", body=api.models.Freeze())
    assert frozen.status == 201, frozen
    frozen = frozen.parsed
    assert api("teaching.get_frozen_picture", frozen.id).content.startswith(b"\xff\xd8")
    body = api.models.Teach.from_dict({"product": "generated", "pictures": [frozen.id]})
    taught = api("teaching.teach", body=body)
    assert (taught.status, taught.parsed.references) == (201, 1)
    other = api("teaching.freeze", body=api.models.Freeze()).parsed
    assert api("teaching.drop_frozen_picture", other.id).status == 204
    score = api.models.NewThreshold(score=0.42)
    assert api("teaching.set_threshold", "generated", body=score).parsed.threshold == 0.42
    (listed,) = [r for r in api("teaching.list_recipes").parsed if r.product == "generated"]
    assert (listed.threshold, listed.chosen) == (0.42, True)
    assert api("teaching.get_reference", "generated", "0").content.startswith(b"\x89PNG")
    api("line.choose_product", body=api.models.Product(product="washer"))


def test_uploaded_picture_is_inspected(api: Generated, target: HostileLine, tmp_path: Path) -> None:
    Image.fromarray(draw_part(20, scratched=True)).save(tmp_path / "a.png")
    picture = api.types.File(payload=(tmp_path / "a.png").open("rb"))
    with picture.payload:
        answer = api("inspection.inspect_picture", body=picture, product="washer")
    assert (answer.status, answer.parsed.decision) == (200, "NG")
    assert answer.parsed.regions[0].box


def test_the_rest_answers_as_described(api: Generated, target: HostileLine) -> None:
    me = api("access.get_me").parsed
    assert (me.role, me.login_needed) == ("engineer", False)
    login = api.models.Login(name="anna", password="wrong")
    assert api("access.log_in", body=login).status == 409
    assert api("access.log_out").status == 204
    assert b"res2clip_" in api("about.get_metrics").content
    assert api("about.get_description").status == 200


def test_every_route_has_been_used(api: Generated, target: HostileLine) -> None:
    _, document = target.ask("GET", "/api/openapi.json")
    described = {
        f"{operation['tags'][0]}.{operation['operationId']}"
        for methods in document["paths"].values()
        for operation in methods.values()
    }
    assert api.used == described
