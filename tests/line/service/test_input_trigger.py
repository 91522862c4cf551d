"""Cameras that are triggered by their inputs: every picture is a trigger."""

from __future__ import annotations

import pytest
from drawn_parts import draw_part
from line.components.child import await_true
from line.components.failing_model import FailingModel, Gate
from line.components.pushed_source import PushedSource

from res2clip_runtime.errors import InputError
from res2clip_runtime.inspector import Inspector
from res2clip_runtime.service.camera_plan import CameraPlan
from res2clip_runtime.service.line import Line
from res2clip_runtime.service.recipe_book import RecipeBook
from res2clip_runtime.service.settings import LineSettings
from res2clip_runtime.verdict import Verdict

GOOD, BAD = draw_part(10), draw_part(20, scratched=True)


class Wired:
    """A line with cameras on trigger wires."""

    def __init__(self, stages, book: RecipeBook, *names: str, **settings: object) -> None:
        self.sources = {name: PushedSource(name) for name in names}
        self.verdicts: list[Verdict] = []
        plans = [
            CameraPlan(name=name, open=lambda name=name: self.sources[name], trigger="line0")
            for name in names
        ]
        given = LineSettings(**{"mode": "trigger", "deadline_ms": 10_000, **settings})
        self.line = Line(given, stages=stages, recipes=book, cameras=plans)
        self.line.add_listener(self.verdicts.append)

    def __enter__(self) -> Wired:
        self.line.start()
        await_true(lambda: self.line.health().ready, "the line is ready")
        return self

    def __exit__(self, *unused: object) -> None:
        self.line.close()

    def await_verdicts(self, count: int) -> list[Verdict]:
        await_true(lambda: len(self.verdicts) >= count, f"{count} verdicts")
        return self.verdicts


def test_every_picture_is_answered_once_in_order(inspector: Inspector, book: RecipeBook) -> None:
    with Wired(inspector.stages, book, "top") as wired:
        for picture in (GOOD, BAD, GOOD):
            wired.sources["top"].push(picture)
        verdicts = wired.await_verdicts(3)
        assert wired.line.health().triggers == 3
    assert [v.decision.value for v in verdicts] == ["OK", "NG", "OK"]
    assert len({v.trigger_id for v in verdicts}) == 3


def test_no_picture_is_dropped_silently_when_the_model_is_slow(
    inspector: Inspector, book: RecipeBook
) -> None:
    gate = Gate()
    with Wired(FailingModel(inspector.stages, gate), book, "top", trigger_queue=3) as wired:
        wired.sources["top"].push(GOOD)
        assert gate.reached.wait(20)
        for _ in range(5):
            wired.sources["top"].push(GOOD)
        refused = wired.await_verdicts(2)
        assert {v.decision.value for v in refused} == {"ERROR"}
        gate.open()
        verdicts = wired.await_verdicts(6)
    assert [v.decision.value for v in verdicts] == ["ERROR"] * 2 + ["OK"] * 4


def test_cameras_on_one_wire_make_one_part(inspector: Inspector, book: RecipeBook) -> None:
    with Wired(inspector.stages, book, "top", "side", part="cameras") as wired:
        for count, (top, side) in enumerate([(GOOD, GOOD), (GOOD, BAD), (BAD, GOOD)], 1):
            wired.sources["top"].push(top)
            wired.sources["side"].push(side)
            wired.await_verdicts(count)
    assert [v.decision.value for v in wired.verdicts] == ["OK", "NG", "NG"]
    assert [len(v.views) for v in wired.verdicts] == [2, 2, 2]


def test_part_of_which_a_camera_saw_nothing_is_an_error(
    inspector: Inspector, book: RecipeBook
) -> None:
    settings = {"part": "cameras", "deadline_ms": 300, "views_skew_ms": 50}
    with Wired(inspector.stages, book, "top", "side", **settings) as wired:
        wired.sources["top"].push(GOOD)
        assert wired.await_verdicts(1)[0].decision.value == "ERROR"


def test_picture_of_the_next_part_does_not_complete_the_one_before(
    inspector: Inspector, book: RecipeBook
) -> None:
    """The side camera missed the first part: its picture of the second belongs to the second."""
    settings = {"part": "cameras", "deadline_ms": 1500, "views_skew_ms": 100}
    with Wired(inspector.stages, book, "top", "side", **settings) as wired:
        top, side = wired.sources["top"], wired.sources["side"]
        top.push(GOOD, age_s=0.5)
        await_true(lambda: wired.line.health().waiting == 1, "the first part waits")
        top.push(GOOD)
        side.push(BAD)
        verdicts = wired.await_verdicts(2)
    assert [v.decision.value for v in verdicts] == ["ERROR", "NG"]
    assert len(verdicts[1].views) == 2


def test_part_that_lost_a_picture_is_an_error_and_shifts_no_other(
    inspector: Inspector, book: RecipeBook
) -> None:
    settings = {"pictures_per_part": 3, "picture_gap_ms": 200}
    with Wired(inspector.stages, book, "top", **settings) as wired:
        top = wired.sources["top"]
        for age_s in (3.0, 2.9):  # the third was lost
            top.push(BAD, age_s=age_s)
        for age_s in (2.0, 1.9, 1.8):
            top.push(GOOD, age_s=age_s)
        for age_s in (1.0, 0.9, 0.8):
            top.push(BAD, age_s=age_s)
        verdicts = wired.await_verdicts(3)
    assert [v.decision.value for v in verdicts] == ["ERROR", "OK", "NG"]
    assert "pictures are missing of camera top (2 of 3)" in verdicts[0].reason
    assert "picture_gap_ms" in verdicts[0].reason


def test_rest_of_a_part_that_was_answered_already_makes_no_other(
    inspector: Inspector, book: RecipeBook
) -> None:
    settings = {"pictures_per_part": 3, "deadline_ms": 2000, "picture_gap_ms": 10_000}
    with Wired(inspector.stages, book, "top", **settings) as wired:
        top = wired.sources["top"]
        top.push(BAD, age_s=1.9)
        assert "deadline" in wired.await_verdicts(1)[0].reason
        for picture in (BAD, BAD, GOOD, GOOD, GOOD):
            top.push(picture)
        verdicts = wired.await_verdicts(2)
    assert [v.decision.value for v in verdicts] == ["ERROR", "OK"]


def test_camera_that_fires_again_before_its_part_is_whole_mixes_no_views(
    inspector: Inspector, book: RecipeBook
) -> None:
    """The side camera missed the first part; its next picture comes within the skew."""
    settings = {"part": "cameras", "views_skew_ms": 1000, "deadline_ms": 60_000}
    with Wired(inspector.stages, book, "top", "side", **settings) as wired:
        top, side = wired.sources["top"], wired.sources["side"]
        top.push(GOOD, age_s=5.0)
        await_true(lambda: wired.line.health().waiting == 1, "the first part waits")
        top.push(GOOD, age_s=4.5)
        wired.await_verdicts(2)
        side.push(GOOD, age_s=4.5)
        await_true(lambda: wired.line.health().cameras[1].frames == 1, "the side view is taken")
        side.push(GOOD)
        await_true(lambda: wired.line.health().triggers == 3, "the third part is open")
        top.push(GOOD)
        verdicts = wired.await_verdicts(3)
    assert [v.decision.value for v in verdicts] == ["ERROR", "ERROR", "OK"]
    assert "missing of camera side (0 of 1)" in verdicts[0].reason
    assert "further apart than 1000 ms (views_skew_ms)" in verdicts[1].reason


def test_part_for_which_the_queue_is_full_has_one_answer(
    inspector: Inspector, book: RecipeBook
) -> None:
    gate = Gate()
    model = FailingModel(inspector.stages, gate)
    settings = {"part": "cameras", "trigger_queue": 1}
    with Wired(model, book, "top", "side", **settings) as wired:
        for age_s in (3.0, 2.0, 1.0):
            for source in wired.sources.values():
                source.push(GOOD, age_s=age_s)
            if age_s == 3.0:
                assert gate.reached.wait(20)
        await_true(lambda: all(c.frames == 3 for c in wired.line.health().cameras), "all have come")
        gate.open()
        verdicts = wired.await_verdicts(3)
        assert wired.line.health().triggers == 3
    assert [v.decision.value for v in verdicts] == ["ERROR", "OK", "OK"]


def test_cameras_of_parts_of_their_own_need_no_partner(
    inspector: Inspector, book: RecipeBook
) -> None:
    with Wired(inspector.stages, book, "a", "b") as wired:
        wired.sources["a"].push(GOOD)
        wired.sources["b"].push(BAD)
        verdicts = wired.await_verdicts(2)
    assert sorted((v.camera, v.decision.value) for v in verdicts) == [("a", "OK"), ("b", "NG")]


def test_line_on_a_wire_takes_no_other_triggers(inspector: Inspector, book: RecipeBook) -> None:
    with (
        Wired(inspector.stages, book, "top") as wired,
        pytest.raises(InputError, match="triggered by its own input"),
    ):
        wired.line.trigger()


def test_camera_that_breaks_off_is_lost(inspector: Inspector, book: RecipeBook) -> None:
    with Wired(inspector.stages, book, "top") as wired:
        wired.sources["top"].break_off()
        await_true(lambda: "the wire is cut" in wired.line.health().reason, "the loss is said")


def test_trigger_wire_needs_the_mode(inspector: Inspector, book: RecipeBook) -> None:
    with pytest.raises(InputError, match='set mode = "trigger"'):
        Wired(inspector.stages, book, "top", mode="free")
