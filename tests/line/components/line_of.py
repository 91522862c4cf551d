"""A line in this process, with what it delivers collected."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from line.components.child import await_true

from res2clip_runtime.service.config import CameraTable
from res2clip_runtime.service.line import Line
from res2clip_runtime.service.recipe_book import RecipeBook
from res2clip_runtime.service.settings import LineSettings
from res2clip_runtime.sinks.worker import SinkWorker
from res2clip_runtime.stages import Stages
from res2clip_runtime.verdict import Verdict


class CollectedLine:
    """Runs while the ``with`` block does; ``verdicts`` grows."""

    def __init__(
        self,
        stages: Stages,
        recipes: RecipeBook,
        *cameras: CameraTable,
        settings: LineSettings | None = None,
        sinks: Sequence[SinkWorker] = (),
        wait_for_cameras: bool = True,
    ) -> None:
        self.verdicts: list[Verdict] = []
        self.line = Line(
            settings or LineSettings(),
            stages=stages,
            recipes=recipes,
            cameras=[camera.plan(base=Path("/")) for camera in cameras],
            sinks=sinks,
        )
        self.line.add_listener(self.verdicts.append)
        self._wait = wait_for_cameras

    def __enter__(self) -> CollectedLine:
        try:
            self.line.start(wait_for_cameras=self._wait)
        except BaseException:
            self.line.close()
            raise
        return self

    def __exit__(self, *unused: object) -> None:
        self.line.close()

    @property
    def decisions(self) -> list[str]:
        return [verdict.decision.value for verdict in self.verdicts]

    def await_end(self) -> list[Verdict]:
        assert self.line.wait(30), self.line.health()
        return self.verdicts

    def await_verdicts(self, count: int) -> list[Verdict]:
        await_true(lambda: len(self.verdicts) >= count, f"{count} verdicts")
        return self.verdicts

    def await_ready(self) -> None:
        await_true(lambda: self.line.health().ready, "the line is ready")

    def answer_to(self, trigger_id: str) -> Verdict:
        """Return the verdict on a trigger, waiting for it."""
        return await_true(
            lambda: next((v for v in self.verdicts if v.trigger_id == trigger_id), None),
            f"trigger {trigger_id} is answered",
        )
