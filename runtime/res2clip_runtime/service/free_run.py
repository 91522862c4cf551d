"""Free run: whatever the cameras give is inspected, the newest picture of each in turn."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from res2clip_runtime.errors import InputError
from res2clip_runtime.inspection import error_verdict
from res2clip_runtime.service.camera_plan import CameraPlan
from res2clip_runtime.service.capture import Capture
from res2clip_runtime.service.frame_box import FrameBox
from res2clip_runtime.service.outlet import Outlet
from res2clip_runtime.service.part_inspection import PartInspection
from res2clip_runtime.service.recipe_book import RecipeBook
from res2clip_runtime.service.settings import LineSettings
from res2clip_runtime.sources import Frame, Source

__all__ = ["FreeRun"]


class FreeRun:
    """Takes one picture of each camera in turn; a part that needs several waits for them."""

    def __init__(
        self,
        settings: LineSettings,
        cameras: Sequence[str],
        *,
        inspection: PartInspection,
        recipes: RecipeBook,
        outlet: Outlet,
    ) -> None:
        """Inspect the pictures of ``cameras`` and deliver to ``outlet``."""
        self._settings = settings
        self._inspection = inspection
        self._recipes = recipes
        self._outlet = outlet
        self._arrivals = threading.Condition()
        self._boxes = {name: FrameBox(self._arrivals) for name in cameras}
        self._parts: dict[str, list[tuple[str, Frame]]] = {}
        self._nudged = False

    def on_demand(self, plan: CameraPlan, source: Source) -> bool:
        """Return False; see :class:`Feed`."""
        if source.live and self._settings.part == "cameras" and len(self._boxes) > 1:
            raise InputError(
                f"camera {plan.name} runs freely, so its pictures cannot be told to be of the same "
                'part as those of the others; set mode = "trigger", or part = "picture"'
            )
        return False

    def take(self, frame: Frame, capture: Capture) -> None:
        """Leave a picture for the inspection; see :class:`Feed`."""
        box = self._boxes[capture.name]
        if capture.live:
            box.put_newest(frame)
        else:
            box.put_next(frame, stop=lambda: capture.stopping)

    def dropped(self, camera: str) -> int:
        """Return how many pictures of a camera were replaced by newer ones."""
        return self._boxes[camera].dropped

    def turn(self, timeout_s: float) -> None:
        """Inspect the part that is next, if one comes in time."""
        with self._arrivals:
            taken = self._take_next()
            if taken is None and not self._nudged:
                self._arrivals.wait(timeout_s)
                taken = self._take_next()
            self._nudged = False
        if taken is None:
            return
        camera, frame = taken
        key = self._part_of(camera)
        views = self._parts.setdefault(key, [])
        views.append((camera, frame))
        if len(views) == self._views_wanted():
            del self._parts[key]
            began_ns = time.perf_counter_ns()
            done = self._inspection.inspect(views, self._recipes.product)
            self._outlet.deliver(done.verdict, done.picture)
            took_ms = (time.perf_counter_ns() - began_ns) / 1e6
            self._outlet.figures.add_part(done.verdict, took_ms=took_ms)

    def nudge(self) -> None:
        """End the waiting of this turn, or of the next."""
        with self._arrivals:
            self._nudged = True
            self._arrivals.notify_all()

    def drained(self) -> bool:
        """Return whether every picture that came has been taken."""
        with self._arrivals:
            return not any(len(box) for box in self._boxes.values())

    def finish(self) -> None:
        """Answer parts of which pictures are missing when the sources have ended."""
        for views in self._parts.values():
            part_id = views[0][1].frame_id
            reason = f"{len(views)} of {self._views_wanted()} pictures of the part, then no more"
            verdict = error_verdict(part_id, self._recipes.product, reason)
            self._outlet.deliver(verdict, None)
        self._parts.clear()

    def _take_next(self) -> tuple[str, Frame] | None:
        """Return a picture that the part it belongs to still lacks; cameras take turns."""
        for camera, box in self._boxes.items():
            views = self._parts.get(self._part_of(camera), ())
            have = sum(name == camera for name, _ in views)
            if have < self._settings.pictures_per_part and (frame := box.take()) is not None:
                # To the end of the line: the others come first the next time.
                self._boxes[camera] = self._boxes.pop(camera)
                return camera, frame
        return None

    def _part_of(self, camera: str) -> str:
        return camera if self._settings.part == "picture" else ""

    def _views_wanted(self) -> int:
        cameras = 1 if self._settings.part == "picture" else len(self._boxes)
        return cameras * self._settings.pictures_per_part
