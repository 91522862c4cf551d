"""Triggered run: a picture of this moment, one answer for each trigger."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from drawn_parts import draw_part, save_parts
from line.components.child import await_true
from line.components.failing_model import FailingModel, Gate
from line.components.line_of import CollectedLine
from line.components.mjpeg_server import MjpegServer
from line.components.pushed_source import PushedSource

from res2clip_runtime.errors import InputError
from res2clip_runtime.inspector import Inspector
from res2clip_runtime.service.camera_plan import CameraPlan
from res2clip_runtime.service.config import CameraTable
from res2clip_runtime.service.line import Line
from res2clip_runtime.service.recipe_book import RecipeBook
from res2clip_runtime.service.recipe_file import RecipeFile
from res2clip_runtime.service.settings import LineSettings
from res2clip_runtime.verdict import Verdict

TRIGGER = LineSettings(mode="trigger", deadline_ms=10_000)


def camera(source: object, name: str = "top", **settings: object) -> CameraTable:
    return CameraTable(name=name, source=str(source), retry_first_s=0.05, **settings)


def test_each_trigger_takes_the_next_picture_and_is_answered_once(
    inspector: Inspector, book: RecipeBook, parts: Path
) -> None:
    with CollectedLine(inspector.stages, book, camera(parts), settings=TRIGGER) as run:
        run.await_ready()
        ids = [run.line.trigger(f"part-{number}") for number in range(8)]
        run.await_verdicts(8)
        assert run.line.health().waiting == 0
    assert [v.trigger_id for v in run.verdicts] == ids
    assert run.decisions == ["OK"] * 6 + ["NG"] * 2


def test_trigger_without_an_id_gets_one_and_nothing_is_inspected_without_a_trigger(
    inspector: Inspector, book: RecipeBook, parts: Path
) -> None:
    with CollectedLine(inspector.stages, book, camera(parts), settings=TRIGGER) as run:
        run.await_ready()
        first, second = run.line.trigger(), run.line.trigger()
        assert first != second
        run.answer_to(second)
    assert len(run.verdicts) == 2


def test_trigger_after_the_last_picture_is_an_error_and_the_line_ends(
    inspector: Inspector, book: RecipeBook, parts: Path
) -> None:
    place = parts / "a-good" / "010.png"
    with CollectedLine(inspector.stages, book, camera(place), settings=TRIGGER) as run:
        run.await_ready()
        run.line.trigger("a")
        run.line.trigger("b")
        run.await_end()
    assert run.decisions == ["OK", "ERROR"]
    assert "it has ended" in run.verdicts[1].reason


def test_camera_that_has_ended_beside_a_live_one_is_said(
    inspector: Inspector, book: RecipeBook, parts: Path
) -> None:
    source = PushedSource("live")
    live = CameraPlan(name="live", open=lambda: source)
    ends = camera(parts / "a-good" / "010.png", "folder").plan(base=Path("/"))
    with Line(TRIGGER, stages=inspector.stages, recipes=book, cameras=[live, ends]) as line:
        verdicts: list[Verdict] = []
        line.add_listener(verdicts.append)
        line.start()
        await_true(lambda: line.health().ready, "the line is ready")
        line.trigger("takes the only picture")
        source.push(draw_part(10))
        line.trigger("one too many")
        await_true(lambda: "camera folder has ended" in line.health().reason, "the end is said")
        assert not line.health().ready
        line.trigger("after the end")
        await_true(lambda: len(verdicts) == 3, "every trigger is answered")
    reasons = {verdict.trigger_id: verdict.reason for verdict in verdicts}
    assert "it has ended" in reasons["after the end"]


def test_trigger_without_a_picture_names_the_cameras_that_gave_none(
    inspector: Inspector, book: RecipeBook, parts: Path
) -> None:
    silent = CameraPlan(name="silent", open=lambda: PushedSource("silent"))
    gives = camera(parts, "folder").plan(base=Path("/"))
    settings = LineSettings(mode="trigger", deadline_ms=200)
    with Line(settings, stages=inspector.stages, recipes=book, cameras=[silent, gives]) as line:
        verdicts: list[Verdict] = []
        line.add_listener(verdicts.append)
        line.start()
        await_true(lambda: line.health().ready, "the line is ready")
        line.trigger("a")
        await_true(lambda: verdicts, "the trigger is answered")
    assert verdicts[0].decision.value == "ERROR"
    assert verdicts[0].reason.endswith("(no picture, or too few, of camera silent)")


def test_trigger_asks_every_camera_and_the_worst_view_decides(
    inspector: Inspector, book: RecipeBook, parts: Path
) -> None:
    cameras = [camera(parts / "a-good", "top"), camera(parts / "b-scratched", "side")]
    with CollectedLine(inspector.stages, book, *cameras, settings=TRIGGER) as run:
        run.await_ready()
        answer = run.answer_to(run.line.trigger("part"))
    assert answer.decision.value == "NG"
    assert answer.part_id == "part"
    assert [(v.camera, v.decision.value) for v in answer.views] == [("top", "OK"), ("side", "NG")]


def test_model_that_hangs_makes_every_trigger_an_error_by_its_deadline(
    inspector: Inspector, book: RecipeBook, parts: Path
) -> None:
    gate = Gate()
    model = FailingModel(inspector.stages, gate)
    settings = LineSettings(mode="trigger", deadline_ms=200, stall_s=0.3)
    with CollectedLine(model, book, camera(parts), settings=settings) as run:
        run.await_ready()
        run.line.trigger("a")
        run.line.trigger("b")
        run.await_verdicts(2)
        assert run.decisions == ["ERROR", "ERROR"]
        await_true(lambda: "not moved" in run.line.health().reason, "the hang is said")
        assert run.line.health().late == 2
        gate.open()
        run.await_ready()
        assert run.answer_to(run.line.trigger("c")).decision.value == "OK"
    assert [v.trigger_id for v in run.verdicts] == ["a", "b", "c"]


def test_full_queue_is_an_error_at_once(
    inspector: Inspector, book: RecipeBook, parts: Path
) -> None:
    gate = Gate()
    model = FailingModel(inspector.stages, gate)
    settings = LineSettings(mode="trigger", deadline_ms=20_000, trigger_queue=2)
    with CollectedLine(model, book, camera(parts), settings=settings) as run:
        run.await_ready()
        run.line.trigger("in hand")
        assert gate.reached.wait(20)
        for name in ("a", "b", "one too many"):
            run.line.trigger(name)
        assert [v.trigger_id for v in run.verdicts] == ["one too many"]
        gate.open()
        run.await_verdicts(4)
    assert [v.trigger_id for v in run.verdicts[1:]] == ["in hand", "a", "b"]
    assert run.decisions == ["ERROR", "OK", "OK", "OK"]


def test_stop_finishes_the_part_in_hand_and_answers_the_rest_with_error(
    inspector: Inspector, book: RecipeBook, parts: Path
) -> None:
    gate = Gate()
    model = FailingModel(inspector.stages, gate)
    with CollectedLine(model, book, camera(parts), settings=TRIGGER) as run:
        run.await_ready()
        for name in ("in hand", "waiting"):
            run.line.trigger(name)
        assert gate.reached.wait(20)
        closing = threading.Thread(target=run.line.close)
        closing.start()
        await_true(lambda: "stopping" in run.line.health().reason, "the stop has begun")
        with pytest.raises(InputError, match="stopping"):
            run.line.trigger("too late")
        gate.open()
        closing.join(20)
    assert [(v.trigger_id, v.decision.value) for v in run.verdicts] == [
        ("in hand", "OK"),
        ("waiting", "ERROR"),
    ]
    assert "stopped before" in run.verdicts[1].reason


def test_trigger_while_the_camera_is_lost_is_an_error_at_once(
    inspector: Inspector, book: RecipeBook, tmp_path: Path
) -> None:
    pytest.importorskip("av", reason="the extra 'video' is not installed")
    film = save_parts(tmp_path / "film", 4, first_seed=10)
    with (
        MjpegServer(film) as server,
        CollectedLine(inspector.stages, book, camera(server.url), settings=TRIGGER) as run,
    ):
        run.await_ready()
        assert run.answer_to(run.line.trigger("before")).decision.value == "OK"
        server.kill()
        await_true(lambda: not run.line.health().ready, "the loss is noticed")
        answer = run.answer_to(run.line.trigger("while"))
        assert answer.decision.value == "ERROR"
        assert "camera top gives no pictures" in answer.reason
        with MjpegServer(film, port=server.port):
            run.await_ready()
            assert run.answer_to(run.line.trigger("after")).decision.value == "OK"


def test_camera_that_runs_freely_gives_the_first_picture_after_the_trigger(
    inspector: Inspector, book: RecipeBook, tmp_path: Path
) -> None:
    """Though older parts are still being inspected: the picture is of the moment."""
    pytest.importorskip("av", reason="the extra 'video' is not installed")
    film = save_parts(tmp_path / "film", 4, first_seed=10)
    gate = Gate()
    model = FailingModel(inspector.stages, gate)
    with (
        MjpegServer(film, fps=50) as server,
        CollectedLine(model, book, camera(server.url), settings=TRIGGER) as run,
    ):
        run.await_ready()
        run.line.trigger("first")
        assert gate.reached.wait(20)
        seen = run.line.health().cameras[0].frames
        run.line.trigger("second")
        await_true(lambda: run.line.health().cameras[0].frames > seen + 20, "time has passed")
        gate.open()
        frame_id = run.answer_to("second").frame_id
    assert int(frame_id.rpartition("#")[2]) <= seen + 3


def test_trigger_keeps_the_product_that_was_chosen_when_it_came(
    inspector: Inspector, parts: Path, recipe_file: Path, nut_file: Path
) -> None:
    book = RecipeBook(
        [RecipeFile(file=recipe_file), RecipeFile(file=nut_file)],
        inspector.stages,
        product="washer",
    )
    gate = Gate()
    model = FailingModel(inspector.stages, gate)
    with CollectedLine(model, book, camera(parts), settings=TRIGGER) as run:
        run.await_ready()
        run.line.trigger("a")
        run.line.trigger("b")
        run.line.choose_recipe("nut")
        run.line.trigger("c")
        gate.open()
        run.await_verdicts(3)
    assert [(v.trigger_id, v.product) for v in run.verdicts] == [
        ("a", "washer"),
        ("b", "washer"),
        ("c", "nut"),
    ]


def test_watched_folder_takes_no_triggers(
    inspector: Inspector, book: RecipeBook, tmp_path: Path
) -> None:
    table = camera(f"watch:{tmp_path}")
    run = CollectedLine(inspector.stages, book, table, settings=TRIGGER)
    with pytest.raises(InputError, match='set mode = "free"'), run:
        pass
