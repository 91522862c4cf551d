"""A model that fails once, always, or for want of memory: ERROR, never OK, and it is said."""

from __future__ import annotations

from pathlib import Path

import pytest
from line.components.failing_model import FailingModel
from line.components.line_of import CollectedLine

from res2clip_runtime.errors import BackendError
from res2clip_runtime.inspector import Inspector
from res2clip_runtime.service.config import CameraTable
from res2clip_runtime.service.recipe_book import RecipeBook
from res2clip_runtime.service.settings import LineSettings


def fail_on(*numbers: int, error: type[Exception] = BackendError):
    def before(number: int) -> None:
        if number in numbers:
            raise error(f"picture {number} broke the engine")

    return before


def run_over(parts: Path, model: FailingModel, book: RecipeBook, **settings) -> CollectedLine:
    camera = CameraTable(source=str(parts))
    return CollectedLine(model, book, camera, settings=LineSettings(**settings))


@pytest.mark.parametrize("error", [BackendError, MemoryError, RuntimeError])
def test_one_failure_is_one_error_verdict(
    inspector: Inspector, book: RecipeBook, parts: Path, error: type[Exception]
) -> None:
    model = FailingModel(inspector.stages, fail_on(2, error=error))
    with run_over(parts, model, book) as run:
        run.await_end()
    assert run.decisions == ["OK", "OK", "ERROR", "OK", "OK", "OK", "NG", "NG", "NG"]


def test_running_out_of_memory_is_said_in_the_verdict(
    inspector: Inspector, book: RecipeBook, parts: Path
) -> None:
    model = FailingModel(inspector.stages, fail_on(0, error=MemoryError))
    with run_over(parts, model, book, limit=1) as run:
        assert "out of memory" in run.await_end()[0].reason


def test_failing_always_is_not_ready_and_every_part_an_error(
    inspector: Inspector, book: RecipeBook, parts: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = FailingModel(inspector.stages, fail_on(*range(100)))
    with run_over(parts, model, book, mode="trigger", deadline_ms=10_000) as run:
        run.await_ready()
        for number in range(5):
            run.answer_to(run.line.trigger(str(number)))
        health = run.line.health()
    assert run.decisions == ["ERROR"] * 5
    assert not health.ready
    assert "the model failed 5 times in a row: picture 4 broke the engine" in health.reason
    assert "not ready" in caplog.text


def test_model_that_answers_again_is_ready_again(
    inspector: Inspector, book: RecipeBook, parts: Path
) -> None:
    model = FailingModel(inspector.stages, fail_on(0, 1, 2, 3))
    with run_over(parts, model, book, mode="trigger", deadline_ms=10_000) as run:
        run.await_ready()
        for number in range(4):
            run.answer_to(run.line.trigger(str(number)))
        assert not run.line.health().ready
        assert run.answer_to(run.line.trigger("again")).decision.value == "OK"
        assert run.line.health().ready
