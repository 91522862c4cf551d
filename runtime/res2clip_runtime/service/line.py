"""The line: cameras, triggers, one model, results."""

from __future__ import annotations

import dataclasses
import logging
import threading
import time
from collections.abc import Callable, Sequence

import numpy as np

from res2clip_runtime.closable import Closable
from res2clip_runtime.errors import ArtefactNotFoundError, InputError, MissingExtraError
from res2clip_runtime.inspection import inspect
from res2clip_runtime.service.camera_plan import CameraPlan
from res2clip_runtime.service.capture import Capture
from res2clip_runtime.service.examiner import Examiner, no_product
from res2clip_runtime.service.figures import Figures
from res2clip_runtime.service.free_run import FreeRun
from res2clip_runtime.service.health import CameraHealth, ControlHealth, LineHealth
from res2clip_runtime.service.lent_model import LentModel, lend
from res2clip_runtime.service.outlet import Outlet
from res2clip_runtime.service.part_inspection import PartInspection
from res2clip_runtime.service.recipe_book import RecipeBook
from res2clip_runtime.service.settings import LineSettings
from res2clip_runtime.service.triggered import Triggered
from res2clip_runtime.sinks.worker import SinkWorker
from res2clip_runtime.stages import Stages
from res2clip_runtime.verdict import Verdict

__all__ = ["Line"]

logger = logging.getLogger(__name__)

TURN_S = 0.25
"""Longest time the inspection waits for a picture before it shows that it is alive."""


class Line(Closable):
    """Runs everything, from cameras to sinks; ``LineControl`` is how others command it.

    Threads: one for each camera, one that inspects, one that watches the triggers' deadlines, one
    for each sink. Nothing one of them waits for can hold up another.
    """

    def __init__(
        self,
        settings: LineSettings,
        *,
        stages: Stages,
        recipes: RecipeBook,
        cameras: Sequence[CameraPlan],
        sinks: Sequence[SinkWorker] = (),
    ) -> None:
        """Put the parts together; nothing runs before :meth:`start`.

        Args:
            settings: what is inspected when.
            stages: the model; used on the inspection's thread only, and not closed.
            recipes: what is inspected how.
            cameras: one or more.
            sinks: closed with the line.

        Raises:
            InputError: no camera, two of one name, or one whose trigger does not fit the mode.
        """
        _check_cameras(settings, cameras)
        self._settings = settings
        self._stages = stages
        self.recipes = recipes
        self._figures = Figures()
        self._outlet = Outlet(sinks, self._figures)
        self._examiner = Examiner(stages, recipes, self._figures)
        self._captures: dict[str, Capture] = {}
        inspection = PartInspection(self._examiner, self._captures, beat=self._beat)
        names = [camera.name for camera in cameras]
        self._mode: FreeRun | Triggered
        if settings.mode == "free":
            self._mode = FreeRun(
                settings, names, inspection=inspection, recipes=recipes, outlet=self._outlet
            )
        else:
            self._mode = Triggered(
                settings,
                self._captures,
                inspection=inspection,
                recipes=recipes,
                outlet=self._outlet,
                beat=self._beat,
            )
        self.model: LentModel = lend(stages, nudge=lambda: self._mode.nudge())
        self._controls: list[Callable[[], ControlHealth]] = []
        self._captures.update({plan.name: Capture(plan, self._mode) for plan in cameras})
        for plan in cameras:
            if plan.size_px is not None:
                self._examiner.expect_size(plan.name, plan.size_px)
        self._stop = threading.Event()
        self._finished = threading.Event()
        self._began_s = self._beat_s = time.monotonic()
        self._beats = 0
        self._closed = False
        self._thread = threading.Thread(target=self._inspect, name="inspection", daemon=True)

    @property
    def products(self) -> tuple[str, ...]:
        """See :class:`LineControl`."""
        return self.recipes.products

    @property
    def last_verdict(self) -> Verdict | None:
        """The newest verdict."""
        return self._outlet.last

    @property
    def finished(self) -> bool:
        """Whether all sources have ended, or the limit is reached."""
        return self._finished.is_set()

    @property
    def beats(self) -> int:
        """Grows as long as the inspection moves, be it idle or busy."""
        return self._beats

    def warm_up(self) -> None:
        """Send a blank picture through the model, so that the first part is not slow.

        Raises:
            BackendError: the model does not answer.
        """
        size = self._stages.spec.image_size_px
        if not self.products:
            self._stages.encode(np.full((1, size, size, 3), 127, np.uint8))
        for product in self.products:
            for camera in self._captures:
                if (recipe := self.recipes.find(product, camera)) is not None:
                    inspect(self._stages, np.full((size, size, 3), 127, np.uint8), recipe)
                    break

    def start(self, *, wait_for_cameras: bool = True, timeout_s: float = 10.0) -> None:
        """Start cameras and inspection.

        Args:
            wait_for_cameras: a camera that cannot be opened is tried again; False: it is an error.
            timeout_s: longest wait for the first attempt of all cameras.

        Raises:
            InputError, ArtefactNotFoundError, MissingExtraError: a source can never be opened.
            Res2ClipError: one could not be opened, and that is an error.
        """
        self._began_s = self._beat_s = time.monotonic()
        for capture in self._captures.values():
            capture.start()
        until_s = time.monotonic() + timeout_s
        never = (InputError, ArtefactNotFoundError, MissingExtraError)
        for capture in self._captures.values():
            refusal = capture.wait_first(max(0.0, until_s - time.monotonic()))
            if refusal is not None and (not wait_for_cameras or isinstance(refusal, never)):
                raise refusal
        self._thread.start()

    def wait(self, timeout_s: float) -> bool:
        """Return whether the line has finished, after waiting for that at most so long."""
        return self._finished.wait(timeout_s)

    def trigger(self, trigger_id: str | None = None) -> str:
        """See :class:`LineControl`."""
        if isinstance(self._mode, FreeRun):
            raise InputError('the line runs freely; set mode = "trigger" to trigger it')
        if trigger_id is not None:
            _check_id(trigger_id)
        return self._mode.trigger(trigger_id)

    def choose_recipe(self, product: str) -> None:
        """See :class:`LineControl`."""
        self.recipes.choose(product)

    def add_listener(self, callback: Callable[[Verdict], None]) -> None:
        """See :class:`LineControl`."""
        self._outlet.add_listener(callback)

    def add_control(self, health: Callable[[], ControlHealth]) -> None:
        """See :class:`LineControl`."""
        self._controls = [*self._controls, health]

    def add_sink(self, sink: SinkWorker) -> None:
        """Hand verdicts to ``sink``, too; it is closed with the line."""
        self._outlet.add_sink(sink)

    def health(self) -> LineHealth:
        """See :class:`LineControl`."""
        cameras = tuple(self._camera_health(capture) for capture in self._captures.values())
        reason = self._trouble(cameras)
        triggers, late, waiting = (
            self._mode.desk.counts if isinstance(self._mode, Triggered) else (0, 0, 0)
        )
        return LineHealth(
            product=self.recipes.product,
            recipe_id=self.recipes.recipe_id,
            ready=not reason,
            reason=reason,
            decisions=self._figures.decisions,
            inspected=self._figures.inspected,
            triggers=triggers,
            late=late,
            waiting=waiting,
            cameras=cameras,
            sinks=tuple(sink.health for sink in self._outlet.sinks),
            controls=tuple(control() for control in self._controls),
            latency_ms=self._figures.latency_ms,
            uptime_s=time.monotonic() - self._began_s,
        )

    def stop(self) -> None:
        """Take no more triggers and begin no other part; the part in hand is finished."""
        self._stop.set()
        if isinstance(self._mode, Triggered):
            self._mode.desk.stop()
        self._mode.nudge()

    def close(self) -> None:
        """Finish the part in hand, answer every trigger, close cameras, drain the sinks."""
        if self._closed:
            return
        self._closed = True
        self.stop()
        self.model.close()
        if self._thread.is_alive():
            self._thread.join(self._settings.drain_s)
            if self._thread.is_alive():
                logger.error("the inspection hangs; its part is answered with ERROR")
        if isinstance(self._mode, Triggered):
            self._mode.desk.close()
        for capture in self._captures.values():
            capture.stop()
        for capture in self._captures.values():
            capture.close()
        self._outlet.close(self._settings.drain_s)

    def _inspect(self) -> None:
        while not self._stop.is_set():
            self._beat()
            try:
                self.model.serve()
                self._mode.turn(TURN_S)
            except Exception:  # a defect must not end the inspection without a word
                logger.exception("a defect of res2clip, please report it: the inspection's loop")
                self._stop.wait(0.1)
            if self._at_end():
                self._mode.finish()
                break
        self.model.close()
        self._finished.set()

    def _at_end(self) -> bool:
        limit = self._settings.limit
        if limit is not None and self._figures.verdicts >= limit:
            return True
        return all(c.ended for c in self._captures.values()) and self._mode.drained()

    def _beat(self) -> None:
        self._beats += 1
        self._beat_s = time.monotonic()

    def _camera_health(self, capture: Capture) -> CameraHealth:
        health = capture.health()
        dropped = self._mode.dropped(capture.name)
        return dataclasses.replace(health, dropped=health.dropped + dropped)

    def _trouble(self, cameras: Sequence[CameraHealth]) -> str:
        """Return why a result must not be trusted now; empty if all is well."""
        if self._stop.is_set() or self._finished.is_set():
            return "the line is stopping"
        stalled_s = time.monotonic() - self._beat_s
        if stalled_s > self._settings.stall_s:
            return f"the inspection has not moved for {stalled_s:.0f} s"
        if self._examiner.fault:
            return self._examiner.fault
        if not self.recipes.product:
            return no_product(self.products)
        for camera in cameras:
            if camera.state == "opening":
                return f"camera {camera.name} is being opened"
            if camera.state == "lost":
                return f"camera {camera.name} is lost: {camera.reason}"
            if camera.state == "ended" and self._settings.mode == "trigger":
                return f"camera {camera.name} has ended: start the line anew"
        return ""


def _check_id(trigger_id: str) -> None:
    try:
        trigger_id.encode()
    except UnicodeEncodeError as err:  # no sink could write it
        raise InputError(
            f"the trigger's id is {trigger_id!r}, which is no valid Unicode; expected a text "
            "without lone surrogates"
        ) from err


def _check_cameras(settings: LineSettings, cameras: Sequence[CameraPlan]) -> None:
    if not cameras:
        raise InputError("a line needs at least one camera; add a table [[camera]]")
    names = [camera.name for camera in cameras]
    if double := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(f"two cameras are called '{double[0]}'; give each a name of its own")
    for camera in cameras:
        if settings.mode == "free" and camera.trigger != "off":
            raise InputError(
                f'camera {camera.name} has trigger = "{camera.trigger}", but the line runs '
                'freely; set mode = "trigger", or trigger = "off"'
            )
