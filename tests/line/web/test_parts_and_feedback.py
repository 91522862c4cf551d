"""NG parts with their pictures, what people say of parts, and what a full disk does."""

from __future__ import annotations

import io
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from drawn_parts import draw_part
from line.components.child import await_true
from line.web.conftest import Serve, Served
from line.web.test_teaching_on_the_page import freeze, teach
from PIL import Image

from res2clip_runtime.inspection import error_verdict
from res2clip_runtime.recipe import Recipe
from res2clip_runtime.service.config import CameraTable
from res2clip_runtime.service.settings import LineSettings
from res2clip_runtime.web.ng_shelf import NgShelf
from res2clip_runtime.web.part_numbers import PartNumbers
from res2clip_runtime.web.parts_history import PartsHistory
from res2clip_runtime.web.recent_pictures import RecentPictures, Shot


def await_ng(client: httpx.Client, count: int = 1) -> list[dict[str, object]]:
    """Return the NG parts when there are so many."""
    return await_true(
        lambda: (
            parts if len(parts := client.get("/api/ng").json()) >= count else None  # type: ignore[func-returns-value]
        ),
        f"{count} NG parts",
    )


def test_last_parts_come_in_order_with_running_numbers(
    served: Served, client: httpx.Client
) -> None:
    parts = client.get("/api/parts?limit=4").json()
    assert len(parts) == 4
    assert [p["number"] for p in parts] == list(range(parts[0]["number"], parts[0]["number"] + 4))
    assert {"frame_id", "score", "threshold", "decision", "camera"} <= parts[0].keys()
    assert client.get("/api/parts?limit=0").status_code == 400


def test_ng_parts_are_listed_with_their_pictures_newest_first(
    served: Served, client: httpx.Client
) -> None:
    parts = await_ng(client, 2)
    assert [p["id"] for p in parts] == sorted((p["id"] for p in parts), reverse=True)
    assert {p["decision"] for p in parts} == {"NG"}
    older = client.get(f"/api/ng?limit=1&before={parts[0]['id']}").json()
    assert [p["id"] for p in older] == [parts[1]["id"]]
    plain = client.get(f"/api/ng/{parts[0]['id']}.jpg")
    heat = client.get(f"/api/ng/{parts[0]['id']}.jpg?heat=1")
    assert plain.status_code == heat.status_code == 200
    pixels = [np.asarray(Image.open(io.BytesIO(a.content)).convert("RGB")) for a in (plain, heat)]
    assert pixels[0].shape == pixels[1].shape
    assert np.abs(pixels[0].astype(int) - pixels[1]).max() > 60  # there is something on it


@pytest.mark.parametrize("bad", ["0", "999999999999", "x", "..%2f..%2faudit", "1e3", "9" * 5000])
def test_ng_picture_that_does_not_exist_is_not_found(client: httpx.Client, bad: str) -> None:
    assert client.get(f"/api/ng/{bad}.jpg").status_code == 404


def test_ng_parts_survive_a_restart_and_the_oldest_go(serve: Serve) -> None:
    served = serve(keep_ng=2)
    with served.client() as client:
        first = await_ng(client)[0]["id"]
        await_true(lambda: client.get("/api/ng").json()[-1]["id"] > first + 1, "two more")
    served.web.close()
    served.run.line.close()
    left = NgShelf(served.folder / "ng", keep=2)
    ids = [values["id"] for values in left.newest(10)]
    assert len(ids) == 2
    names = {path.name for path in (served.folder / "ng").iterdir()}
    assert names == {f"{i:012}.{ending}" for i in ids for ending in ("jpg", "png", "json")}


def test_half_of_an_ng_part_that_a_kill_left_is_removed(tmp_path: Path) -> None:
    for name in ("000000000003.jpg", ".000000000004.json.abcdefgh", "000000000005.json"):
        (tmp_path / name).write_text("{")
    (tmp_path / "somebody's.txt").write_text("stays")
    shelf = NgShelf(tmp_path, keep=2)
    assert shelf.newest(5) == []
    assert [path.name for path in tmp_path.iterdir()] == ["somebody's.txt"]


def test_feedback_keeps_picture_verdict_label_and_who(served: Served, client: httpx.Client) -> None:
    part = client.get("/api/parts?limit=1").json()[0]
    answer = client.post(
        "/api/feedback", json={"number": part["number"], "label": "missed", "comment": "a dent"}
    )
    assert answer.status_code == 201
    file = served.folder / "feedback" / f"{answer.json()['kept']}.json"
    kept = json.loads(file.read_text(encoding="utf-8"))
    assert (kept["label"], kept["comment"], kept["who"]) == ("missed", "a dent", "local")
    assert kept["verdict"]["frame_id"] == part["frame_id"]
    assert kept["verdict"]["score"] == part["score"]
    with Image.open(file.with_name(kept["picture"])) as picture:
        assert picture.format == "PNG"
    shown = [p for p in client.get("/api/parts").json() if p["number"] == part["number"]]
    assert shown[0]["label"] == "missed"


def test_feedback_on_an_ng_part_of_an_earlier_run_has_its_picture(serve: Serve) -> None:
    served = serve()
    with served.client() as client:
        part = await_ng(client)[0]
    served.web.close()
    served.run.line.close()
    again = serve(CameraTable(name="top", source=f"watch:{served.folder}"))
    with again.client() as client:
        answer = client.post("/api/feedback", json={"id": part["id"], "label": "good"})
        assert answer.status_code == 201
        labelled = next(p for p in client.get("/api/ng").json() if p["id"] == part["id"])
    kept = again.folder / "feedback" / f"{answer.json()['kept']}.jpg"
    with Image.open(kept) as picture:
        assert picture.size == (96, 80)
    assert labelled["label"] == "good"


def test_feedback_on_a_part_whose_picture_is_gone_is_refused(client: httpx.Client) -> None:
    answer = client.post("/api/feedback", json={"number": 10**9, "label": "good"})
    assert answer.status_code == 409
    assert "no longer there" in answer.json()["error"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"number": 1},
        {"label": "good"},
        {"number": 1, "id": 1, "label": "good"},
        {"number": "1", "label": "good"},
        {"number": True, "label": "good"},
        {"number": -1, "label": "good"},
        {"number": 1, "label": "bad"},
        {"number": 1, "label": "good", "comment": "x" * 1001},
        {"number": 1, "label": "good", "comment": 5},
        [1],
    ],
)
def test_nonsense_is_no_feedback(client: httpx.Client, body: object) -> None:
    assert client.post("/api/feedback", json=body).status_code == 400


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 2 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small disk needs root")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_full_disk_is_said_and_nothing_is_lost_or_changed(serve: Serve, small_disk: Path) -> None:
    served = serve(folder=small_disk / "page")
    served.run.await_verdicts(5)
    with served.client() as client:
        await_true(lambda: client.get("/api/live.jpg").status_code == 200, "there is a picture")
        number = client.get("/api/parts?limit=1").json()[0]["number"]
        ids = freeze(client, 2)
        fill(small_disk)
        before = client.get("/api/recipes").json()
        answers = [
            client.post("/api/feedback", json={"number": number, "label": "good"}),
            teach(client, "cap", ids),
            client.put("/api/recipes/washer/threshold", json={"score": 0.5}),
        ]
        assert [a.status_code for a in answers] == [507] * 3, [a.text for a in answers]
        assert all("free some space" in a.json()["error"] for a in answers)
        assert client.get("/api/recipes").json() == before
        assert client.post("/api/product", json={"product": "nut"}).status_code == 200
        served.await_parts(3)
        (small_disk / "filler").unlink()
        assert teach(client, "cap", ids).status_code == 201  # the tray still has them
    assert not list((served.folder / "feedback").glob("*"))
    lines = (served.folder / "audit.jsonl").read_text().splitlines()
    assert all(json.loads(line) for line in lines)
    (file,) = (served.folder / "recipes").iterdir()
    assert Recipe.load(file).product == "cap"


def test_nothing_is_changed_that_cannot_be_written_down(
    served: Served, client: httpx.Client
) -> None:
    part, ids = client.get("/api/parts?limit=1").json()[0], freeze(client, 2)
    before = client.get("/api/recipes").json()
    (served.folder / "audit.jsonl").unlink()
    (served.folder / "audit.jsonl").mkdir()
    answers = [
        client.post("/api/feedback", json={"number": part["number"], "label": "good"}),
        teach(client, "cap", ids),
        client.put("/api/recipes/washer/threshold", json={"score": 0.5}),
    ]
    assert [a.status_code for a in answers] == [503] * 3, [a.text for a in answers]
    assert all("audit.jsonl" in a.json()["error"] for a in answers)
    assert client.get("/api/recipes").json() == before
    assert not (served.folder / "feedback").exists()
    assert client.post("/api/product", json={"product": "nut"}).status_code == 200


def fill(disk: Path) -> None:
    """Fill it up to the last byte."""
    with (disk / "filler").open("wb", buffering=0) as file:
        size = 65_536
        while size:
            try:
                file.write(b"x" * size)
            except OSError:
                size //= 2


def test_numbers_of_parts_are_never_given_twice(tmp_path: Path) -> None:
    file = tmp_path / "numbers.json"
    first = PartNumbers(file)
    assert first.first == 1
    first.keep_ahead(9_000)
    assert PartNumbers(file).first == 20_001
    file.write_text("{")
    assert PartNumbers(file).first > 1_000_000_000_000


def test_memory_for_pictures_is_bounded_and_the_newest_stays() -> None:
    recent = RecentPictures(most_bytes=100_000)
    for number in range(1, 20):
        verdict = error_verdict(f"part {number}", "washer", "")
        recent.put(Shot(number=number, verdict=verdict, picture=draw_part(number)))
    assert recent.find(19) is recent.newest()
    kept = [number for number in range(1, 20) if recent.find(number)]
    assert kept == [16, 17, 18, 19]  # 23 kB each


def test_verdict_without_a_product_is_numbered_and_not_listed() -> None:
    history = PartsHistory(keep=2)
    assert history.add(error_verdict("a", "", "no product is chosen")) == 1
    assert history.newest(5) == []
    assert [history.add(error_verdict(name, "washer", "")) for name in "bcd"] == [2, 3, 4]
    assert [part["number"] for part in history.newest(5)] == [3, 4]


def test_every_triggered_ng_part_is_kept(serve: Serve, film: Path) -> None:
    served = serve(CameraTable(name="top", source=str(film)), settings=LineSettings(mode="trigger"))
    served.run.await_ready()
    with served.client() as client:
        answers = [client.post("/api/trigger?wait").json() for _ in range(20)]
        bad = [a["frame_id"] for a in answers if a["decision"] == "NG"]
        assert len(bad) >= 2
        parts = await_ng(client, len(bad))
    assert [p["frame_id"] for p in reversed(parts)] == bad
