"""Free run, on folders, videos and a live MJPEG camera."""

from __future__ import annotations

from pathlib import Path

import pytest
from drawn_parts import save_parts
from line.components.child import await_true
from line.components.failing_model import FailingModel, Gate
from line.components.line_of import CollectedLine
from line.components.mjpeg_server import MjpegServer
from PIL import Image

from res2clip_runtime.errors import ArtefactNotFoundError, InputError
from res2clip_runtime.inspector import Inspector
from res2clip_runtime.preprocess import PictureU8
from res2clip_runtime.service.config import CameraTable
from res2clip_runtime.service.recipe_book import RecipeBook
from res2clip_runtime.service.settings import LineSettings
from res2clip_runtime.sinks.worker import SinkWorker
from res2clip_runtime.verdict import Verdict


def camera(source: object, **settings: object) -> CameraTable:
    return CameraTable(**{"name": "top", "source": str(source), "retry_first_s": 0.05, **settings})


@pytest.fixture
def mjpeg(tmp_path: Path):
    pytest.importorskip("av", reason="the extra 'video' is not installed")
    with MjpegServer(save_parts(tmp_path / "film", 4, first_seed=10)) as server:
        yield server


def test_every_picture_of_a_folder_is_inspected_once_in_order(
    inspector: Inspector, book: RecipeBook, parts: Path
) -> None:
    with CollectedLine(inspector.stages, book, camera(parts)) as run:
        verdicts = run.await_end()
        health = run.line.health()
    assert [v.frame_id for v in verdicts] == sorted(v.frame_id for v in verdicts)
    assert run.decisions == ["OK"] * 6 + ["NG"] * 3
    assert {v.camera for v in verdicts} == {"top"}
    assert (health.inspected, health.cameras[0].frames, health.cameras[0].dropped) == (9, 9, 0)
    assert health.decisions == {"OK": 6, "NG": 3, "ERROR": 0}
    assert set(health.latency_ms) >= {"encoder", "total"}


def test_cameras_of_their_own_parts_share_the_model(
    inspector: Inspector, book: RecipeBook, parts: Path
) -> None:
    cameras = [camera(parts / "a-good", name="a"), camera(parts / "b-scratched", name="b")]
    with CollectedLine(inspector.stages, book, *cameras) as run:
        verdicts = run.await_end()
    assert sorted((v.camera, v.decision.value) for v in verdicts) == (
        [("a", "OK")] * 6 + [("b", "NG")] * 3
    )


def test_several_cameras_that_look_at_one_part_give_its_worst_view(
    inspector: Inspector, book: RecipeBook, parts: Path
) -> None:
    good = sorted((parts / "a-good").iterdir())[:3]
    cameras = [
        camera(parts / "b-scratched", name="side"),
        camera(good[0].parent / "01[0-2].png", name="top"),
    ]
    settings = LineSettings(part="cameras")
    with CollectedLine(inspector.stages, book, *cameras, settings=settings) as run:
        verdicts = run.await_end()
    assert [v.decision.value for v in verdicts] == ["NG"] * 3
    assert [
        [view.camera for view in sorted(v.views, key=lambda w: w.camera)] for v in verdicts
    ] == ([["side", "top"]] * 3)
    assert {v.camera for v in verdicts} == {"side"}


def test_several_pictures_of_one_part_give_one_verdict_and_a_rest_is_an_error(
    inspector: Inspector, book: RecipeBook, parts: Path
) -> None:
    settings = LineSettings(pictures_per_part=4)
    with CollectedLine(inspector.stages, book, camera(parts), settings=settings) as run:
        verdicts = run.await_end()
    assert run.decisions == ["OK", "NG", "ERROR"]
    assert [len(v.views) for v in verdicts] == [4, 4, 0]
    assert "1 of 4 pictures of the part" in verdicts[2].reason


def test_undecodable_picture_is_an_error_and_the_line_stays_ready(
    inspector: Inspector, book: RecipeBook, tmp_path: Path
) -> None:
    folder = save_parts(tmp_path / "p", 2, first_seed=10)
    for number in range(5):
        (folder / f"{number}-junk.png").write_bytes(b"junk")
    with CollectedLine(inspector.stages, book, camera(folder)) as run:
        run.await_end()
        assert run.line._examiner.fault == ""
    assert run.decisions.count("ERROR") == 5
    assert run.decisions.count("OK") == 2


def test_limit_ends_the_line(inspector: Inspector, book: RecipeBook, parts: Path) -> None:
    settings = LineSettings(limit=2)
    with CollectedLine(inspector.stages, book, camera(parts), settings=settings) as run:
        assert len(run.await_end()) == 2


def test_folder_that_is_not_there_ends_the_start(
    inspector: Inspector, book: RecipeBook, tmp_path: Path
) -> None:
    run = CollectedLine(inspector.stages, book, camera(tmp_path / "none"))
    with pytest.raises(ArtefactNotFoundError, match="nothing at"), run:
        pass


def test_line_that_runs_freely_takes_no_triggers(
    inspector: Inspector, book: RecipeBook, parts: Path
) -> None:
    with (
        CollectedLine(inspector.stages, book, camera(parts)) as run,
        pytest.raises(InputError, match='set mode = "trigger"'),
    ):
        run.line.trigger()


def test_slow_model_gets_the_newest_picture_and_the_others_are_counted(
    inspector: Inspector, book: RecipeBook, mjpeg: MjpegServer
) -> None:
    gate = Gate()
    model = FailingModel(inspector.stages, gate)
    with CollectedLine(model, book, camera(mjpeg.url)) as run:
        assert gate.reached.wait(20)
        before = run.line.health().cameras[0].frames
        await_true(
            lambda: run.line.health().cameras[0].frames >= before + 5, "five more pictures came"
        )
        gate.open()
        verdicts = run.await_verdicts(2)
        health = run.line.health().cameras[0]
    first, second = (int(v.frame_id.rpartition("#")[2]) for v in verdicts[:2])
    assert second - first >= 3
    assert health.dropped >= 3


def test_camera_that_dies_is_lost_and_comes_back_on_a_fresh_handle(
    inspector: Inspector, book: RecipeBook, tmp_path: Path
) -> None:
    pytest.importorskip("av", reason="the extra 'video' is not installed")
    film = save_parts(tmp_path / "film", 4, first_seed=10)
    with MjpegServer(film) as server:
        port = server.port
        with CollectedLine(inspector.stages, book, camera(server.url)) as run:
            run.await_verdicts(2)
            server.kill()
            await_true(lambda: not run.line.health().ready, "the loss is noticed")
            lost = run.line.health()
            assert lost.cameras[0].state == "lost"
            assert "camera top is lost" in lost.reason
            seen = len(run.verdicts)
            with MjpegServer(film, port=port):
                run.await_verdicts(seen + 2)
                run.await_ready()
                assert run.line.health().cameras[0].reconnects >= 1


def test_camera_that_is_not_there_yet_is_waited_for(
    inspector: Inspector, book: RecipeBook, tmp_path: Path
) -> None:
    pytest.importorskip("av", reason="the extra 'video' is not installed")
    film = save_parts(tmp_path / "film", 4, first_seed=10)
    with MjpegServer(film) as server:
        port, url = server.port, server.url
    with CollectedLine(inspector.stages, book, camera(url)) as run:
        assert not run.line.health().ready
        with MjpegServer(film, port=port):
            run.await_verdicts(1)


def test_frozen_camera_is_lost_and_goes_on_when_it_thaws(
    inspector: Inspector, book: RecipeBook, mjpeg: MjpegServer
) -> None:
    settings = {"stale_s": 0.5, "read_timeout_s": 1.0}
    with CollectedLine(inspector.stages, book, camera(mjpeg.url, **settings)) as run:
        run.await_verdicts(1)
        mjpeg.freeze()
        await_true(lambda: not run.line.health().ready, "the silence is noticed")
        seen = len(run.verdicts)
        mjpeg.thaw()
        run.await_verdicts(seen + 2)
        run.await_ready()


def test_camera_that_changes_its_size_is_lost(
    inspector: Inspector, book: RecipeBook, mjpeg: MjpegServer
) -> None:
    url = f"{mjpeg.address}/resized.mjpg"
    with CollectedLine(inspector.stages, book, camera(url)) as run:
        await_true(lambda: "48 x 40" in run.line.health().reason, "the change is noticed")


def test_camera_that_comes_back_with_another_size_is_answered_with_error(
    inspector: Inspector, book: RecipeBook, tmp_path: Path
) -> None:
    pytest.importorskip("av", reason="the extra 'video' is not installed")
    film, small = save_parts(tmp_path / "film", 4, first_seed=10), tmp_path / "small"
    small.mkdir()
    for path in film.iterdir():
        with Image.open(path) as picture:
            picture.resize((48, 40)).save(small / path.name)
    with (
        MjpegServer(film) as server,
        CollectedLine(inspector.stages, book, camera(server.url)) as run,
    ):
        run.await_verdicts(2)
        server.kill()
        with MjpegServer(small, port=server.port) as other:
            await_true(lambda: "ERROR" in run.decisions, "the change is noticed")
            first = run.decisions.index("ERROR")
            run.await_verdicts(first + 3)
            other.kill()
        assert set(run.decisions[first:]) == {"ERROR"}
        assert "gave 48 x 40 px, expected 96 x 80" in run.verdicts[first].reason
        seen = len(run.verdicts)
        with MjpegServer(film, port=server.port):
            run.await_verdicts(seen + 2)
        assert run.verdicts[-1].decision.value == "OK"


def test_garbage_instead_of_pictures_never_becomes_a_verdict(
    inspector: Inspector, book: RecipeBook, mjpeg: MjpegServer
) -> None:
    url = f"{mjpeg.address}/garbage.mjpg"
    with CollectedLine(inspector.stages, book, camera(url, stale_s=0.6)) as run:
        await_true(lambda: run.line.health().cameras[0].state == "lost", "the garbage is noticed")
    assert "OK" not in run.decisions


def test_cameras_that_run_freely_cannot_make_one_part(
    inspector: Inspector, book: RecipeBook, mjpeg: MjpegServer
) -> None:
    cameras = [camera(mjpeg.url, name="a"), camera(mjpeg.url, name="b")]
    run = CollectedLine(inspector.stages, book, *cameras, settings=LineSettings(part="cameras"))
    with pytest.raises(InputError, match='set mode = "trigger"'), run:
        pass


def test_folder_waits_for_a_slow_model_and_is_not_taken_for_lost(
    inspector: Inspector, book: RecipeBook, parts: Path
) -> None:
    gate = Gate()
    model = FailingModel(inspector.stages, gate)
    with CollectedLine(model, book, camera(parts, stale_s=0.05)) as run:
        assert gate.reached.wait(20)
        await_true(
            lambda: (run.line.health().cameras[0].frame_age_s or 0) > 0.6, "the model is slow"
        )
        assert run.line.health().cameras[0].state == "ready"
        gate.open()
        run.await_end()
    assert len(run.verdicts) == 9


def test_picture_that_is_replaced_while_it_waits_is_never_inspected_as_the_one_seen(
    inspector: Inspector, book: RecipeBook, parts: Path, tmp_path: Path
) -> None:
    """The defective part's picture must not come out as the good one's that has its name now."""
    good, scratched = sorted(parts.rglob("*.png"))[0], sorted(parts.rglob("*.png"))[-1]
    folder = tmp_path / "incoming"
    folder.mkdir()
    gate = Gate()
    model = FailingModel(inspector.stages, gate)
    with CollectedLine(model, book, camera(f"watch:{folder}")) as run:
        run.await_ready()
        put(good, folder / "first.png")
        assert gate.reached.wait(20)
        put(scratched, folder / "part.png")
        await_true(lambda: run.line.health().cameras[0].frames == 2, "it waits for the model")
        put(good, folder / "part.png")
        gate.open()
        verdicts = run.await_verdicts(3)
    assert run.decisions == ["OK", "ERROR", "OK"]
    assert "was replaced before it was inspected" in verdicts[1].reason
    assert verdicts[1].frame_id != verdicts[2].frame_id


def test_watched_folder_that_is_gone_is_a_lost_camera_until_it_is_back(
    inspector: Inspector, book: RecipeBook, parts: Path, tmp_path: Path
) -> None:
    folder, away = tmp_path / "incoming", tmp_path / "away"
    folder.mkdir()
    with CollectedLine(inspector.stages, book, camera(f"watch:{folder}")) as run:
        run.await_ready()
        folder.rename(away)
        await_true(lambda: not run.line.health().ready, "the loss is noticed")
        lost = run.line.health().cameras[0]
        assert (lost.state, str(folder) in lost.reason) == ("lost", True)
        put(min(parts.rglob("*.png")), away / "meanwhile.png")
        away.rename(folder)
        run.await_ready()
        assert run.line.health().cameras[0].reason == ""
        run.await_verdicts(1)
    assert run.decisions == ["OK"], "what came meanwhile is inspected"


def put(picture: Path, target: Path) -> None:
    """Write as a good writer does: whole, by a rename."""
    hidden = target.with_name(f".{target.name}")
    hidden.write_bytes(picture.read_bytes())
    hidden.replace(target)


def test_line_that_was_taught_nothing_shows_its_pictures_and_is_not_ready(
    inspector: Inspector, parts: Path
) -> None:
    shown: list[tuple[Verdict, PictureU8 | None]] = []
    sink = SinkWorker(_Shown(shown), name="shown")
    empty = RecipeBook([], inspector.stages)
    with CollectedLine(inspector.stages, empty, camera(parts), sinks=[sink]) as run:
        run.line.warm_up()
        assert run.line.health().reason.startswith("nothing has been taught yet")
        run.await_end()
    assert run.decisions == ["ERROR"] * 9
    assert {verdict.product for verdict, _ in shown} == {""}
    assert all(picture is not None and picture.ndim == 3 for _, picture in shown)


class _Shown:
    def __init__(self, shown: list[tuple[Verdict, PictureU8 | None]]) -> None:
        self._shown = shown

    def write(self, verdict: Verdict, picture: PictureU8 | None) -> None:
        self._shown.append((verdict, picture))

    def close(self) -> None:
        pass
