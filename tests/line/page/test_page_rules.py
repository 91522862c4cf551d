"""What may be green, and what another threshold would have done: the page's rules, one by one."""

from __future__ import annotations

from typing import Any

import pytest
from line.components.page_line import PageLine
from line.components.page_view import PageView

CAMERA = {"name": "top", "state": "ready", "reason": ""}
HEALTH = {"product": "washer", "ready": True, "reason": "", "cameras": [CAMERA]}
OPEN = {"link": "open", "health": HEALTH, "recipes": [{"product": "washer"}]}
LOST = {**CAMERA, "state": "lost", "reason": "no pictures"}

_LAMP = """async ([known, parts, now]) => {
    const { lampOf } = await import('/static/lamp.js');
    const current = new Map(parts.map(([camera, decision, at, gaps]) => {
        const verdict = {decision, number: 7, score: 0.5, threshold: 0.4, reason: 'why'};
        return [camera, {at, gaps, shown: verdict, shownAt: at, newest: verdict}];
    }));
    return lampOf({...known, current}, now).kind;
}"""
_JUDGED = """async ([scores, threshold, tried]) => {
    const { judged } = await import('/static/strip.js');
    return judged(scores.map((score) => ({score})), threshold, tried);
}"""


@pytest.fixture(scope="module")
def page(browser: Any, bundle, tmp_path_factory: pytest.TempPathFactory):
    """The page of a line without anything."""
    folder = tmp_path_factory.mktemp("rules")
    (folder / "parts").mkdir()
    with PageLine(folder / "line", source=f"watch:{folder / 'parts'}", bundle=bundle) as line:
        page = PageView(browser, line.url)
        line.before_end.append(page.close)
        yield page


def lamp(page: PageView, *parts: list[object], now: float = 1000, **changed: object) -> str:
    return page.tab.evaluate(_LAMP, [{**OPEN, **changed}, list(parts), now])


def test_only_a_fresh_ok_of_a_line_that_is_ready_is_green(page: PageView) -> None:
    ok = ["top", "OK", 900, [100, 100]]
    assert lamp(page, ok) == "ok"
    assert lamp(page) == "waiting"
    assert lamp(page, ok, now=4000) == "waiting"
    for link, kind in (("lost", "disconnected"), ("connecting", "connecting"), ("denied", "login")):
        assert lamp(page, ok, link=link) == kind
    assert lamp(page, ok, health=None) == "connecting"
    assert lamp(page, ok, health={**HEALTH, "ready": False, "reason": "x"}) == "fault"
    assert lamp(page, ok, health={**HEALTH, "ready": False, "cameras": [LOST]}) == "fault"
    assert lamp(page, ok, health={**HEALTH, "product": ""}) == "choose"
    assert lamp(page, ok, health={**HEALTH, "product": ""}, recipes=[]) == "empty"
    assert lamp(page, ok, health={**HEALTH, "product": ""}, recipes=None) == "connecting"


def test_opening_and_ended_cameras_are_no_faults(page: PageView) -> None:
    for state, kind in (("opening", "waiting"), ("ended", "ended")):
        health = {**HEALTH, "ready": False, "cameras": [{**CAMERA, "state": state}]}
        assert lamp(page, health=health) == kind


def test_worst_camera_wins_and_a_silent_one_is_not_passed_over(page: PageView) -> None:
    ok, ng, error = (["top", d, 950, [100]] for d in ("OK", "NG", "ERROR"))
    other = ["side", "OK", 990, [100]]
    assert lamp(page, other, ng) == "ng"
    assert lamp(page, other, ng, ["back", "ERROR", 990, []]) == "error"
    assert lamp(page, error, other) == "error"
    assert lamp(page, ok, ["side", "OK", 4900, [100]], now=5000) == "waiting"
    assert lamp(page, ok, ["side", "NG", 4900, [100]], now=5000) == "ng"


def test_slow_lines_have_more_time_but_not_for_ever(page: PageView) -> None:
    slow = ["top", "OK", 0, [5000, 6000, 5500]]
    assert lamp(page, slow, now=20_000) == "ok"
    assert lamp(page, slow, now=23_000) == "waiting"
    assert lamp(page, ["top", "OK", 0, [600_000]], now=29_000) == "ok"
    assert lamp(page, ["top", "OK", 0, [600_000]], now=31_000) == "waiting"


def test_threshold_is_judged_as_the_line_judges(page: PageView) -> None:
    scores = [0.1, 0.4, 0.5, None, 0.9]
    assert page.tab.evaluate(_JUDGED, [scores, 0.5, 0.4]) == {
        "count": 4, "before": 1, "after": 2, "toNg": 1, "toOk": 0,
    }  # fmt: skip
    assert page.tab.evaluate(_JUDGED, [scores, 0.3, 0.9]) == {
        "count": 4, "before": 3, "after": 0, "toNg": 0, "toOk": 3,
    }  # fmt: skip
    assert page.tab.evaluate(_JUDGED, [scores, None, 0.4])["before"] == 0
