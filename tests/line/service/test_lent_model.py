"""The model is lent while the line inspects: teaching, uploads, and what happens at the end."""

from __future__ import annotations

import dataclasses
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from drawn_parts import draw_part, save_parts
from line.components.child import await_true
from line.components.failing_model import FailingModel, Gate
from line.components.line_of import CollectedLine
from line.components.mjpeg_server import MjpegServer

from res2clip_runtime.errors import BackendError
from res2clip_runtime.inspection import inspect
from res2clip_runtime.inspector import Inspector
from res2clip_runtime.service import lent_model, line
from res2clip_runtime.service.config import CameraTable
from res2clip_runtime.service.lent_model import lend
from res2clip_runtime.service.recipe_book import RecipeBook
from res2clip_runtime.service.settings import LineSettings
from res2clip_runtime.teaching import teach


@pytest.fixture
def live(tmp_path: Path):
    pytest.importorskip("av", reason="the extra 'video' is not installed")
    with MjpegServer(save_parts(tmp_path / "film", 4, first_seed=10)) as server:
        yield CameraTable(name="top", source=server.url, retry_first_s=0.05)


def test_recipe_taught_while_the_line_inspects_is_the_one_taught_alone(
    inspector: Inspector, book: RecipeBook, live: CameraTable
) -> None:
    pictures = [draw_part(seed) for seed in range(3)]
    alone = inspector.teach(pictures, product="cap")
    with CollectedLine(inspector.stages, book, live) as run:
        run.await_verdicts(3)
        taught = teach(run.line.model, pictures, product="cap").recipe
        seen = len(run.verdicts)
        run.await_verdicts(seen + 3)
        upload = inspect(run.line.model, pictures[0], taught)
    assert np.array_equal(taught.bank, alone.bank)
    assert taught.thresholds == alone.thresholds
    assert upload.score == inspector.inspect(pictures[0], alone).score
    assert "ERROR" not in run.decisions


@pytest.mark.parametrize("mode", ["free", "trigger"])
def test_idle_line_lends_at_once(
    inspector: Inspector,
    book: RecipeBook,
    tmp_path: Path,
    mode: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "empty").mkdir()
    source = f"watch:{tmp_path / 'empty'}" if mode == "free" else str(save_parts(tmp_path / "p", 1))
    monkeypatch.setattr(line, "TURN_S", 600.0)  # who waits for the end of a turn gives up
    monkeypatch.setattr(lent_model, "PATIENCE_S", 20.0)
    settings = LineSettings(mode=mode)
    with CollectedLine(
        inspector.stages, book, CameraTable(name="top", source=source), settings=settings
    ) as run:
        for _ in range(40):
            features = run.line.model.encode(np.zeros((1, *_square(inspector)), np.uint8))
            assert np.isfinite(features.patches).all()


def test_failure_of_the_model_reaches_the_borrower_and_not_the_line(
    inspector: Inspector, book: RecipeBook, live: CameraTable
) -> None:
    with CollectedLine(inspector.stages, book, live) as run:
        run.await_verdicts(1)
        with pytest.raises(Exception, match=r"(?i)shape|dimension|rank"):
            run.line.model.encode(np.zeros((1, 3, 3, 3), np.uint8))
        run.await_verdicts(len(run.verdicts) + 2)
    assert "ERROR" not in run.decisions


def test_borrowers_are_refused_when_the_line_ends(
    inspector: Inspector, book: RecipeBook, live: CameraTable
) -> None:
    gate = Gate()
    model = FailingModel(inspector.stages, gate)
    square = np.zeros((1, *_square(inspector)), np.uint8)
    with ThreadPoolExecutor(1) as pool, CollectedLine(model, book, live) as run:
        await_true(gate.reached.is_set, "an inspection is held up")
        borrowed = pool.submit(run.line.model.encode, square)
        closing = threading.Thread(target=run.line.close)
        closing.start()
        with pytest.raises(BackendError, match="the line is stopping"):
            borrowed.result(20)
        gate.open()
        closing.join()
        with pytest.raises(BackendError, match="the line is stopping"):
            run.line.model.encode(square)


def test_borrower_of_a_hanging_line_gives_up(
    inspector: Inspector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lent_model, "PATIENCE_S", 0.05)
    lent = lend(inspector.stages, nudge=lambda: None)
    with pytest.raises(BackendError, match="not free within"):
        lent.encode(np.zeros((1, *_square(inspector)), np.uint8))
    lent.serve()  # what was given up is not run afterwards
    assert dataclasses.is_dataclass(lent.spec)


def _square(inspector: Inspector) -> tuple[int, int, int]:
    size = inspector.spec.image_size_px
    return size, size, 3
