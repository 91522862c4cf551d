"""A small line for tests of what commands it: really inspects drawn parts, one at a trigger."""

from __future__ import annotations

import dataclasses
import queue
import threading
from collections.abc import Callable, Mapping

import numpy as np

from res2clip_runtime.errors import InputError
from res2clip_runtime.inspection import error_verdict
from res2clip_runtime.inspector import Inspector
from res2clip_runtime.recipe import Recipe
from res2clip_runtime.service.control import LineControl
from res2clip_runtime.service.health import CameraHealth, LineHealth
from res2clip_runtime.sinks.health import SinkHealth
from res2clip_runtime.verdict import Verdict

__all__ = ["SmallLine"]


class SmallLine:
    """Inspects ``picture`` at each trigger on a thread of its own; waits while ``hold`` is set."""

    def __init__(
        self, inspector: Inspector, recipes: Mapping[str, Recipe], picture: np.ndarray
    ) -> None:
        self._inspector = inspector
        self._recipes = dict(recipes)
        self._product = next(iter(recipes))
        self._listeners: list[Callable[[Verdict], None]] = []
        self._triggers: queue.Queue[tuple[str, str] | None] = queue.Queue()
        self._go = threading.Event()
        self._go.set()
        self.picture: np.ndarray | None = picture
        self.camera = CameraHealth(name="top", state="ready", frame_age_s=0.01)
        self.ready = True
        self.health_breaks = False
        self.refuses = False
        self.triggered: list[str] = []
        self.verdicts: list[Verdict] = []
        self.sinks: tuple[SinkHealth, ...] = ()
        self._thread = threading.Thread(target=self._work, name="small-line")
        self._thread.start()

    @property
    def products(self) -> tuple[str, ...]:
        return tuple(self._recipes)

    def trigger(self, trigger_id: str | None = None) -> str:
        if self.refuses:
            raise InputError("the line is stopping")
        name = trigger_id or f"own-{len(self.triggered)}"
        self.triggered.append(name)
        self._triggers.put((name, self._product))
        return name

    def choose_recipe(self, product: str) -> None:
        if product not in self._recipes:
            raise InputError(f"there is no recipe of '{product}'")
        self._product = product

    def health(self) -> LineHealth:
        if self.health_breaks:
            raise ZeroDivisionError("a defect of the line")
        counts: dict[str, int] = {}
        for verdict in list(self.verdicts):
            counts[verdict.decision.value] = counts.get(verdict.decision.value, 0) + 1
        return LineHealth(
            product=self._product,
            recipe_id="0123456789abcdef",
            ready=self.ready and self.camera.state == "ready",
            decisions=counts,
            inspected=len(self.verdicts),
            triggers=len(self.triggered),
            cameras=(self.camera,),
            sinks=self.sinks,
            latency_ms={"encoder": 12.5, "total": 20.0},
            uptime_s=3.0,
        )

    def add_listener(self, callback: Callable[[Verdict], None]) -> None:
        self._listeners.append(callback)

    def hold(self) -> None:
        """Answer no trigger for now."""
        self._go.clear()

    def go_on(self) -> None:
        self._go.set()

    def camera_is(self, **changes: object) -> None:
        self.camera = dataclasses.replace(self.camera, **changes)  # type: ignore[arg-type]

    def close(self) -> None:
        self._go.set()
        self._triggers.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (asked := self._triggers.get()) is not None:
            self._go.wait()
            trigger_id, product = asked
            verdict = dataclasses.replace(
                self._inspect(trigger_id, product), trigger_id=trigger_id, camera="top"
            )
            self.verdicts.append(verdict)
            for listener in self._listeners:
                listener(verdict)

    def _inspect(self, trigger_id: str, product: str) -> Verdict:
        if self.picture is None:
            return error_verdict(trigger_id, product, "no picture came in time")
        verdict = self._inspector.inspect(self.picture, self._recipes[product])
        return dataclasses.replace(verdict, frame_id=trigger_id)


def _keeps_the_protocol(line: SmallLine) -> LineControl:
    return line
