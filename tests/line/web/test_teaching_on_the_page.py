"""Freeze, accept, teach, inspect; thresholds; what goes wrong on the way."""

from __future__ import annotations

import io
import json
import threading
from pathlib import Path

import httpx
import pytest
from drawn_parts import draw_part
from line.components.child import await_true
from line.components.failing_model import FailingModel, Gate
from line.components.mjpeg_server import MjpegServer
from line.web.conftest import Serve, Served
from PIL import Image

from res2clip_runtime.errors import InputError
from res2clip_runtime.inspection import error_verdict
from res2clip_runtime.inspector import Inspector
from res2clip_runtime.recipe import Recipe
from res2clip_runtime.service.config import CameraTable
from res2clip_runtime.web import teaching_tray
from res2clip_runtime.web.recent_pictures import Shot
from res2clip_runtime.web.teaching_tray import KEPT_S, MOST_OF_ONE, TeachingTray


def freeze(client: httpx.Client, count: int) -> list[str]:
    """Freeze so many different pictures, and return their ids."""
    ids: list[str] = []
    while len(ids) < count:
        answer = client.post("/api/tray")
        if answer.status_code == 201:
            ids.append(answer.json()["id"])
        else:
            assert answer.status_code == 409, answer.text
            assert "in the tray already" in answer.json()["error"]
    return ids


def teach(client: httpx.Client, product: str, ids: list[str], **more: object) -> httpx.Response:
    return client.post("/api/teach", json={"product": product, "pictures": ids, **more})


def audit(served: Served) -> list[dict[str, object]]:
    text = (served.folder / "audit.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def test_line_that_was_taught_nothing_teaches_its_first_product_and_inspects_it(
    serve: Serve,
) -> None:
    served = serve(taught=False)
    with served.client() as client:
        await_true(lambda: client.get("/api/live.jpg").status_code == 200, "there is a picture")
        assert client.get("/api/health").status_code == 503
        assert client.get("/api/recipes").json() == []
        assert client.get("/api/parts").json() == []  # nothing is judged yet
        ids = freeze(client, 4)
        shown = client.get(f"/api/tray/{ids[0]}.jpg")
        assert Image.open(io.BytesIO(shown.content)).size == (96, 80)
        taught = teach(client, "flange M8", ids)
        assert taught.status_code == 201
        assert taught.json()["references"] == 4
        seen = len(served.run.verdicts)
        served.run.await_verdicts(seen + 6)
        (listed,) = client.get("/api/recipes").json()
        good = client.get("/api/recipes/flange M8/references/0.png")
        none = client.get("/api/recipes/flange M8/references/4.png")
        assert client.get(f"/api/tray/{ids[0]}.jpg").status_code == 404  # they are used up
        assert client.get("/api/health").json()["product"] == "flange M8"
    assert {v.product for v in served.run.verdicts[seen + 1 :]} == {"flange M8"}
    assert "ERROR" not in served.run.decisions[seen + 1 :]
    file = served.folder / "recipes" / taught.json()["file"]
    assert Recipe.load(file).product == "flange M8"
    assert (listed["where"], listed["chosen"], listed["references"]) == ("page", True, 4)
    assert listed["threshold"] == taught.json()["threshold"]
    assert Image.open(io.BytesIO(good.content)).format == "PNG"
    assert none.status_code == 404
    (line,) = audit(served)
    assert (line["who"], line["what"], line["product"]) == ("local", "teach", "flange M8")


def test_taught_product_is_there_after_a_restart(serve: Serve) -> None:
    served = serve(taught=False)
    with served.client() as client:
        await_true(lambda: client.get("/api/live.jpg").status_code == 200, "there is a picture")
        assert teach(client, "flange", freeze(client, 2)).status_code == 201
    served.web.close()
    served.run.line.close()
    again = serve(taught=False)
    assert again.run.line.products == ("flange",)


def test_product_that_exists_is_replaced_only_when_asked(
    served: Served, client: httpx.Client
) -> None:
    ids = freeze(client, 2)
    refused = teach(client, "nut", ids)
    assert refused.status_code == 409
    assert "already" in refused.json()["error"]
    assert teach(client, "nut", ids, replace=True).status_code == 201
    nut = next(r for r in client.get("/api/recipes").json() if r["product"] == "nut")
    assert (nut["references"], nut["where"], nut["chosen"]) == (2, "file", True)


def test_one_picture_teaches_with_a_doubt_and_no_threshold(client: httpx.Client) -> None:
    answer = teach(client, "cap", freeze(client, 1)).json()
    assert answer["threshold"] is None
    assert "two or more" in answer["doubts"][0]


def test_picture_can_be_taken_out_once(client: httpx.Client) -> None:
    ids = freeze(client, 2)
    assert client.delete(f"/api/tray/{ids[0]}").status_code == 204
    assert client.delete(f"/api/tray/{ids[0]}").status_code == 404
    assert client.get(f"/api/tray/{ids[1]}.jpg").status_code == 200


def _shot(number: int) -> Shot:
    verdict = error_verdict(str(number), "washer", "not inspected")
    return Shot(number=number, verdict=verdict, picture=draw_part(number))


def test_full_tray_gives_up_its_oldest_picture_and_no_other_users() -> None:
    tray = TeachingTray()
    other = tray.freeze("bo", _shot(0)).candidate_id
    ids = [tray.freeze("ada", _shot(n)).candidate_id for n in range(MOST_OF_ONE + 2)]
    assert [tray.find("ada", one) is None for one in ids] == [True] * 2 + [False] * MOST_OF_ONE
    assert tray.find("bo", other) is not None
    assert tray.find("ada", other) is None


def test_picture_of_a_tab_that_was_closed_goes_after_an_hour(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tray, now_s = TeachingTray(), [0.0]
    monkeypatch.setattr(teaching_tray.time, "monotonic", lambda: now_s[0])
    old = tray.freeze("ada", _shot(0)).candidate_id
    now_s[0] = KEPT_S - 1
    with pytest.raises(InputError, match="in the tray already"):
        tray.freeze("ada", _shot(0))
    now_s[0] = KEPT_S + 1
    new = tray.freeze("ada", _shot(0)).candidate_id
    assert tray.find("ada", old) is None
    assert tray.find("ada", new) is not None


def test_picture_of_a_lost_camera_is_not_taken(serve: Serve, film: Path) -> None:
    with MjpegServer(film) as server:
        served = serve(CameraTable(name="top", source=server.url, retry_first_s=0.05))
        with served.client() as client:
            await_true(lambda: client.get("/api/live.jpg").status_code == 200, "a picture")
            server.kill()
            await_true(
                lambda: client.get("/api/health").json()["cameras"][0]["state"] == "lost",
                "the camera is lost",
            )
            answer = client.post("/api/tray", json={"camera": "top"})
    assert answer.status_code == 409
    assert "lost" in answer.json()["error"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"product": "cap"},
        {"product": "cap", "pictures": []},
        {"product": "cap", "pictures": [1]},
        {"product": "cap", "pictures": ["a", "a"]},
        {"product": "", "pictures": ["a"]},
        {"product": "  ", "pictures": ["a"]},
        {"product": "two\nlines", "pictures": ["a"]},
        {"product": "x" * 101, "pictures": ["a"]},
        {"product": "\ud800", "pictures": ["a"]},
        {"product": "cap", "pictures": ["a"], "replace": "yes"},
        {"product": "cap", "pictures": ["a"], "thershold": 1},
    ],
)
def test_nonsense_is_not_taught(client: httpx.Client, body: dict[str, object]) -> None:
    answer = client.post("/api/teach", content=json.dumps(body))
    assert answer.status_code == 400
    assert answer.json()["error"]


def test_tray_id_that_does_not_exist_is_not_found(client: httpx.Client) -> None:
    assert teach(client, "cap", ["../../etc/passwd"]).status_code == 404
    assert client.get("/api/tray/..%2f..%2fetc%2fpasswd.jpg").status_code == 404


def test_two_do_not_teach_at_once_and_inspection_goes_on(
    serve: Serve, inspector: Inspector
) -> None:
    gate = Gate()
    held = threading.Event()
    model = FailingModel(inspector.stages, lambda _: gate(0) if held.is_set() else None)
    served = serve(stages=model)
    served.run.await_verdicts(3)
    with served.client() as first, served.client() as second:
        ids = freeze(first, 3)
        held.set()
        slow: list[httpx.Response] = []
        thread = threading.Thread(target=lambda: slow.append(teach(first, "cap", ids)))
        thread.start()
        await_true(lambda: gate.reached.is_set(), "the model is held")
        await_true(
            lambda: teach(second, "cup", ids).status_code == 409, "the second one is refused"
        )
        held.clear()
        gate.open()
        thread.join()
    assert slow[0].status_code == 201


def test_threshold_is_used_at_once_saved_and_written_down(
    served: Served, client: httpx.Client
) -> None:
    before = client.get("/api/recipes").json()[0]
    answer = client.put("/api/recipes/washer/threshold", json={"score": 0.0001})
    assert answer.status_code == 200
    assert answer.json() == {
        "product": "washer",
        "threshold": 0.0001,
        "before": before["threshold"],
    }
    seen = len(served.run.verdicts)
    served.run.await_verdicts(seen + 4)
    assert served.run.decisions[seen + 1 :].count("OK") == 0
    assert client.get("/api/recipes").json()[0]["threshold"] == 0.0001
    line = audit(served)[-1]
    assert (line["what"], line["old"], line["new"]) == ("threshold", before["threshold"], 0.0001)
    again = Recipe.load(served.folder.parent / "given" / "washer.recipe.safetensors")
    assert again.history[-1]["what"].endswith("by local")


@pytest.mark.parametrize(
    ("product", "body", "status"),
    [
        ("washer", '{"score": "0.5"}', 400),
        ("washer", '{"score": NaN}', 400),
        ("washer", '{"score": 1e999}', 400),
        ("washer", '{"score": true}', 400),
        ("washer", "{}", 400),
        ("bolt", '{"score": 0.5}', 404),
        ("..%2f..%2fetc", '{"score": 0.5}', 404),
    ],
)
def test_threshold_that_is_none_is_refused(
    client: httpx.Client, product: str, body: str, status: int
) -> None:
    answer = client.put(f"/api/recipes/{product}/threshold", content=body)
    assert answer.status_code == status
