"""The state machine between its clients and the line: all on the server's own loop."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import time
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

from asyncua import ua

from res2clip_runtime.errors import InputError, Res2ClipError
from res2clip_runtime.opcua.address_space import AddressSpace
from res2clip_runtime.opcua.guarded_session import CALLER
from res2clip_runtime.opcua.health_values import camera_values, health_values, sink_values
from res2clip_runtime.opcua.job import JobRequest, JobResult, Moment
from res2clip_runtime.opcua.layout import CAMERA, METHODS, SINK
from res2clip_runtime.opcua.result_events import ResultEvents, result_values
from res2clip_runtime.opcua.standing import SILENT, standing_of
from res2clip_runtime.opcua.vision_machine import (
    Effect,
    Entered,
    Refusal,
    Trigger,
    VisionMachine,
    VisionState,
    Voided,
)
from res2clip_runtime.service.control import LineControl
from res2clip_runtime.service.health import LineHealth
from res2clip_runtime.verdict import Verdict

__all__ = ["VisionService"]

logger = logging.getLogger(__name__)

VALUES_EVERY_S = 1.0
_LONGEST_TEXT = 200
_LAST = "ResultManagement.LastResult."
_INPUTS = {method.path: method.inputs for method in METHODS}
_STATUS = {
    Refusal.INVALID_STATE: ua.StatusCodes.BadInvalidState,
    Refusal.NO_MATCH: ua.StatusCodes.BadNoMatch,
}


class _Refused(Exception):
    """A method answers with a bad status."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class VisionService:
    """Serves methods, shows what the machine does, and asks the line for what it wants."""

    def __init__(
        self,
        machine: VisionMachine,
        control: LineControl,
        space: AddressSpace,
        events: ResultEvents,
    ) -> None:
        """Serve ``machine``; ``space`` and ``events`` show it."""
        self._machine = machine
        self._control = control
        self._space = space
        self._events = events
        self._lock = asyncio.Lock()
        self._results = 0
        self._beats = 0
        self._written_s = 0.0
        self._shown: tuple[Any, ...] = ()
        self._silent = False
        self._methods: dict[str, Callable[[str, list[str]], list[ua.Variant]]] = {
            "RecipeManagement.PrepareRecipe": self._prepare,
            "VisionStateMachine.StartSingleJob": lambda owner, a: self._start(owner, a, True),
            "VisionStateMachine.StartContinuous": lambda owner, a: self._start(owner, a, False),
            "VisionStateMachine.Stop": lambda *_: self._ask(self._machine.stop),
            "VisionStateMachine.Abort": lambda *_: self._ask(self._machine.abort),
            "VisionStateMachine.Reset": lambda *_: self._ask(self._machine.reset),
        }

    async def call(self, path: str, arguments: list[ua.Variant]) -> ua.CallMethodResult:
        """Serve a method; what it changes is shown before its answer leaves."""
        result = ua.CallMethodResult()
        try:
            caller = CALLER.get()
            if caller is None or not caller[1].may("operator"):
                raise _Refused(ua.StatusCodes.BadUserAccessDenied)
            session, user = caller
            texts = _texts(arguments, len(_INPUTS[path]))
            self._look()
            result.OutputArguments = self._methods[path](session, texts)
            logger.info(f"opcua: {path.rpartition('.')[2]} by %s: %s", user.name, texts)
        except _Refused as refused:
            result.StatusCode = ua.StatusCode(refused.code)
        finally:
            await self._settle()
        return result

    async def take(self, verdict: Verdict) -> None:
        """Take an answer of the line."""
        self._machine.take(verdict, _now())
        await self._settle()

    async def session_ended(self, key: str) -> None:
        """End what the session had started."""
        self._machine.owner_gone(key, _now())
        await self._settle()

    async def tick(self) -> None:
        """Look at the line and the clock."""
        health = self._look()
        self._machine.tick(_now())
        await self._settle()
        if health is not None:
            await self._show(health)

    def _look(self) -> LineHealth | None:
        try:
            health = self._control.health()
        except Exception:
            if not self._silent:
                logger.exception("a defect of res2clip, please report it: the line's health")
            self._silent = True
            self._machine.note_standing(SILENT, _now())
            return None
        self._silent = False
        self._machine.note_standing(standing_of(health), _now())
        return health

    def _prepare(self, _: str, arguments: list[str]) -> list[ua.Variant]:
        if (refusal := self._machine.may_prepare()) is not None:
            raise _Refused(_STATUS[refusal])
        try:
            self._control.choose_recipe(arguments[0])
        except InputError as err:
            logger.info("opcua: PrepareRecipe is refused: %s", err)
            raise _Refused(ua.StatusCodes.BadNoMatch) from err
        self._machine.prepared()
        health = self._look()
        recipe_id = health.recipe_id if health is not None else ""
        return [ua.Variant(recipe_id), ua.Variant(True), _no_error()]

    def _start(self, owner: str, arguments: list[str], single: bool) -> list[ua.Variant]:
        request = JobRequest(
            **dict(zip(("meas_id", "part_id", "recipe_id", "product_id"), arguments, strict=True))
        )
        job_id = self._machine.start(request, _now(), single=single, owner=owner)
        if isinstance(job_id, Refusal):
            raise _Refused(_STATUS[job_id])
        return [ua.Variant(job_id), _no_error()]

    def _ask(self, command: Callable[[Moment], Refusal | None]) -> list[ua.Variant]:
        if (refusal := command(_now())) is not None:
            raise _Refused(_STATUS[refusal])
        return [_no_error()]

    async def _settle(self) -> None:
        """Carry out what the machine wants, in order, and show its state."""
        async with self._lock:
            while effects := self._machine.take_effects():
                for effect in effects:
                    await self._carry_out(effect)
            await self._show_state()

    async def _carry_out(self, effect: Effect) -> None:
        if isinstance(effect, Trigger):
            self._trigger(effect.trigger_id)
        elif isinstance(effect, Voided):
            await self._space.write(self._space.empty(_LAST))
        elif isinstance(effect, Entered):
            log = logger.warning if effect.state is VisionState.ERROR else logger.info
            # The state is in the text itself: events of one text are shown once a minute.
            text = f"opcua: {effect.state.title}"
            if effect.reason:
                log(f"{text}: %s", effect.reason)
            else:
                log(text)
            await self._show_state()
            await self._events.state_changed(effect)
        else:
            await self._report(effect)

    async def _report(self, result: JobResult) -> None:
        values = {f"{_LAST}{name}": value for name, value in result_values(result).items()}
        self._results = (self._results + 1) & 0xFFFFFFFF
        values["ResultManagement.ResultCount"] = self._results
        await self._space.write(values)
        await self._events.result_ready(result)

    def _trigger(self, trigger_id: str) -> None:
        try:
            self._control.trigger(trigger_id)
        except Exception as err:
            if not isinstance(err, Res2ClipError):
                logger.exception("a defect of res2clip, please report it: trigger %s", trigger_id)
            self._machine.refused(trigger_id, str(err), _now())

    async def _show_state(self) -> None:
        machine = self._machine
        job_id = machine.job.job_id if machine.job is not None else ""
        shown = (machine.state, machine.reason, job_id)
        if shown == self._shown:
            return
        self._shown = shown
        place = "VisionStateMachine."
        await self._space.write(
            {
                f"{place}CurrentState": ua.LocalizedText(machine.state.title, "en"),
                f"{place}CurrentState.Id": self._space.state_id(machine.state),
                f"{place}CurrentState.Number": int(machine.state),
                f"{place}Reason": machine.reason,
                f"{place}JobId": job_id,
            }
        )

    async def _show(self, health: LineHealth) -> None:
        now_s = time.monotonic()
        if now_s - self._written_s < VALUES_EVERY_S:
            return
        self._written_s = now_s
        self._beats = (self._beats + 1) & 0xFFFFFFFF
        values: dict[str, Any] = {
            "Health.Heartbeat": self._beats,
            "RecipeManagement.Recipes": list(self._control.products),
            **health_values(health),
        }
        for camera in health.cameras:
            values |= await self._below(
                f"Health.Cameras.{camera.name}", CAMERA, camera_values(camera)
            )
        for sink in health.sinks:
            values |= await self._below(f"Health.Sinks.{sink.name}", SINK, sink_values(sink))
        await self._space.write(values)

    async def _below(self, place: str, layout: Any, values: dict[str, Any]) -> dict[str, Any]:
        for variable in layout:
            await self._space.add_variable(
                dataclasses.replace(variable, path=f"{place}.{variable.path}")
            )
        return {f"{place}.{name}": value for name, value in values.items()}


def _texts(arguments: list[ua.Variant], wanted: int) -> list[str]:
    """Return the arguments, all of which are texts."""
    if len(arguments) < wanted:
        raise _Refused(ua.StatusCodes.BadArgumentsMissing)
    if len(arguments) > wanted:
        raise _Refused(ua.StatusCodes.BadTooManyArguments)
    texts = []
    for argument in arguments:
        text = "" if argument.Value is None else argument.Value
        if argument.VariantType not in (ua.VariantType.String, ua.VariantType.Null):
            raise _Refused(ua.StatusCodes.BadInvalidArgument)
        if not isinstance(text, str) or len(text) > _LONGEST_TEXT or not _is_clean(text):
            raise _Refused(ua.StatusCodes.BadInvalidArgument)
        texts.append(text)
    return texts


def _is_clean(text: str) -> bool:
    return text.isprintable()  # neither control characters nor halves of surrogates


def _no_error() -> ua.Variant:
    return ua.Variant(0, ua.VariantType.Int32)


def _now() -> Moment:
    return Moment(time.monotonic(), datetime.now(timezone.utc))
