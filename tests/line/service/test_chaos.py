"""Cameras that die and freeze at random under a storm of triggers: each is answered once."""

from __future__ import annotations

import random
import threading
import time
from pathlib import Path

import pytest
from drawn_parts import save_parts
from line.components.child import await_true
from line.components.failing_model import FailingModel
from line.components.line_of import CollectedLine
from line.components.mjpeg_server import MjpegServer

from res2clip_runtime.errors import BackendError
from res2clip_runtime.inspector import Inspector
from res2clip_runtime.service.config import CameraTable
from res2clip_runtime.service.recipe_book import RecipeBook
from res2clip_runtime.service.settings import LineSettings


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_every_trigger_is_answered_once_and_ok_only_after_an_inspection(
    inspector: Inspector, book: RecipeBook, tmp_path: Path, seed: int
) -> None:
    pytest.importorskip("av", reason="the extra 'video' is not installed")
    film = save_parts(tmp_path / "film", 4, first_seed=10)
    fate = random.Random(seed)
    inspected: list[int] = []

    def before(number: int) -> None:
        """The model is slow now and then, and fails now and then."""
        inspected.append(number)
        if number % 17 == 5:
            time.sleep(0.15)
        if number % 23 == 7:
            raise BackendError("the engine broke")

    model = FailingModel(inspector.stages, before)
    settings = LineSettings(mode="trigger", deadline_ms=250, trigger_queue=3)
    ended = threading.Event()
    with MjpegServer(film, fps=50) as first:
        port, servers = first.port, [first]
        table = CameraTable(source=first.url, stale_s=0.3, retry_first_s=0.02, retry_most_s=0.1)
        with CollectedLine(model, book, table, settings=settings) as run:
            run.await_ready()

            def torment() -> None:
                while not ended.wait(fate.uniform(0.2, 0.6)):
                    if fate.random() < 0.5:
                        servers[-1].freeze()
                        ended.wait(fate.uniform(0.05, 0.6))
                        servers[-1].thaw()
                    else:
                        servers[-1].kill()
                        servers.append(MjpegServer(film, fps=50, port=port))

            tormentor = threading.Thread(target=torment)
            tormentor.start()
            ids = []
            try:
                for number in range(300):
                    ids.append(run.line.trigger(f"t{number}"))
                    time.sleep(fate.uniform(0, 0.04))
                await_true(lambda: run.line.health().waiting == 0, "all are answered")
            finally:
                ended.set()
                tormentor.join()
                for server in servers:
                    server.end()
    answered = [verdict.trigger_id for verdict in run.verdicts]
    assert sorted(answered) == sorted(ids)
    good = [v for v in run.verdicts if v.decision.value == "OK"]
    assert good, "nothing was inspected"
    assert len(good) < 300, "nothing broke"
    assert len(good) <= len(inspected)
    for verdict in good:
        assert verdict.score <= verdict.threshold
        assert verdict.latency_ms["encoder"] > 0
        assert verdict.anomaly_map is not None
    assert len({v.frame_id for v in good}) > 1
