"""The handshake with a PLC as a state machine without network or clock.

Fail-safe: OK is shown only for a result of the trigger it answers, in time, of the product wanted,
with every standing condition good since then. Whatever else happens voids the result, and a voided
result never comes back.
"""

from __future__ import annotations

import math
import secrets
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from res2clip_runtime.modbus.config import ModbusConfig
from res2clip_runtime.modbus.registers import (
    COMMANDS,
    MAP_VERSION,
    NO_SCORE,
    CommandBit,
    FaultCode,
    StatusBit,
    split_int32,
)
from res2clip_runtime.service.health import LineHealth
from res2clip_runtime.verdict import Decision, Verdict

__all__ = ["ChooseRecipe", "Handshake", "Order", "Trigger"]

SILENT_AFTER_S = 2.0
"""A line that has not said for so long how it is cannot be trusted."""
_UNTIL_TRIGGER = (FaultCode.OVERRUN, FaultCode.LATE, FaultCode.REFUSED)
"""Faults of a trigger of the PLC: only its next one clears them."""
_ADDRESS = {register.name: register.address for register in COMMANDS}
_FIRST_COMMAND = COMMANDS[0].address


@dataclass(frozen=True, slots=True)
class Trigger:
    """Ask the line for an inspection."""

    trigger_id: str


@dataclass(frozen=True, slots=True)
class ChooseRecipe:
    """Ask the line for another product."""

    product: str


Order = Trigger | ChooseRecipe


@dataclass(frozen=True, slots=True)
class _Pending:
    trigger_id: str
    number: int
    since_s: float
    product: str
    """That the PLC wants; empty: any."""


@dataclass(frozen=True, slots=True)
class _Result:
    verdict: Verdict
    number: int
    took_ms: int


class Handshake:
    """What the PLC has written, what the line has answered, and what the PLC may read of it.

    Times are those of ``time.monotonic``. Every method may be called from any thread.
    """

    def __init__(self, config: ModbusConfig) -> None:
        """Begin without a result and without having heard of anybody."""
        self._config = config
        self._numbers = {product: number for number, product in config.recipes.items()}
        self._lock = threading.Lock()
        self._commands = [0] * len(COMMANDS)
        self._plc_seen_s: float | None = None
        self._health: LineHealth | None = None
        self._health_s = -math.inf
        self._heartbeat = 0
        self._pending: _Pending | None = None
        self._result: _Result | None = None
        self._shown_number = 0
        self._event = FaultCode.NONE
        self._recipe_bad = False
        self._counter = 0
        self._triggers = 0
        # Makes ids differ from those of the run before, in whose records they stand as well.
        self._own = f"plc-{secrets.token_hex(3)}-"

    def command(self, address: int, values: Sequence[int], now_s: float) -> list[Order]:
        """Take words that the PLC writes from ``address`` on; return what to ask of the line.

        A new trigger has voided the result before this returns.
        """
        with self._lock:
            before = list(self._commands)
            start = address - _FIRST_COMMAND
            self._commands[start : start + len(values)] = values
            if self._word("plc_heartbeat") != before[0]:
                self._plc_seen_s = now_s
            orders: list[Order] = []
            if (wanted := self._word("recipe_wanted")) != before[3]:
                orders += self._want_recipe(wanted)
            if self._word("command") & ~before[1] & CommandBit.TRIGGER:
                orders += self._start(now_s)
            return orders

    def refused(self, order: Order) -> None:
        """Note that the line refused what was asked of it."""
        with self._lock:
            if isinstance(order, ChooseRecipe):
                self._recipe_bad = True
                self._void()
            elif self._pending and self._pending.trigger_id == order.trigger_id:
                self._void(FaultCode.REFUSED)

    def take(self, verdict: Verdict, now_s: float) -> None:
        """Take an answer of the line; one that nobody waits for is not shown.

        With ``results = "all"`` those to others are shown, but never one to a trigger of the PLC
        that was voided, and none before the next trigger has cleared why it was.
        """
        with self._lock:
            self._check(now_s)
            pending = self._pending
            if pending is not None and pending.trigger_id == verdict.trigger_id:
                self._pending = None
                took_ms = min(int((now_s - pending.since_s) * 1000), 0xFFFF)
                self._show(_Result(verdict, pending.number, took_ms), pending.product)
            elif self._shows_others(verdict) and self._is_sound(now_s):
                self._event = FaultCode.NONE
                self._show(_Result(verdict, 0, 0), self._wanted_product())

    def note_health(self, health: LineHealth, now_s: float) -> None:
        """Take what the line says of itself; the heartbeat beats only with this."""
        with self._lock:
            self._health, self._health_s = health, now_s
            self._heartbeat = (self._heartbeat + 1) & 0xFFFF
            self._check(now_s)

    def plc_silent(self, now_s: float) -> bool:
        """Return whether the PLC's heartbeat is wanted and stands still."""
        with self._lock:
            return self._plc_silent(now_s)

    def status_words(self, now_s: float) -> list[int]:
        """Return the words of the registers of ``STATUS``, from the first to the last address."""
        with self._lock:
            fault = self._check(now_s)
            verdict = self._result.verdict if self._result else None
            score = NO_SCORE
            if verdict is not None and math.isfinite(verdict.score):
                score = round(max(min(verdict.score, 2e6), -2e6) * 1000)
            return [
                self._status_bits(fault, now_s),
                self._heartbeat,
                fault,
                self._counter,
                *split_int32(score, self._config.word_order),
                self._numbers.get(self._health.product, 0) if self._health else 0,
                self._shown_number,
                self._result.took_ms if self._result else 0,
                MAP_VERSION,
            ]

    def _status_bits(self, fault: FaultCode, now_s: float) -> int:
        bits = StatusBit(0)
        if fault:
            bits |= StatusBit.FAULT | StatusBit.NG
        if self._pending is not None:
            bits |= StatusBit.BUSY
        elif self._is_sound(now_s):
            bits |= StatusBit.READY
        if self._result is not None:
            verdict = self._result.verdict
            good = verdict.decision is Decision.OK and math.isfinite(verdict.score) and not fault
            bits |= StatusBit.VALID | (StatusBit.OK if good else StatusBit.NG)
            if verdict.decision is Decision.ERROR:
                bits |= StatusBit.NO_RESULT
        return bits

    def _check(self, now_s: float) -> FaultCode:
        """Void what is void by now and return the fault to show."""
        standing = self._standing_fault(now_s)
        if standing:
            lost = self._pending is not None or self._result is not None
            # Kept until the next trigger, so that a PLC that looks later still sees why.
            self._void(standing if lost else None)
            return standing
        if self._pending and now_s - self._pending.since_s > self._config.result_timeout_s:
            self._void(FaultCode.LATE)
        if self._event:
            return self._event
        if self._result and self._result.verdict.decision is Decision.ERROR:
            return FaultCode.NO_RESULT
        return FaultCode.NONE

    def _standing_fault(self, now_s: float) -> FaultCode:
        """Return the most telling of the conditions under which no result can be trusted."""
        config, health = self._config, self._health
        if health is None or now_s - self._health_s > SILENT_AFTER_S:
            return FaultCode.LINE_SILENT
        for camera in health.cameras:
            age_s = camera.frame_age_s if camera.frame_age_s is not None else math.inf
            stale = 0 < config.max_frame_age_s < age_s + (now_s - self._health_s)
            if camera.state == "lost" or stale:
                return FaultCode.CAMERA
        if not health.ready:
            return FaultCode.NOT_READY
        if self._plc_silent(now_s):
            return FaultCode.PLC_HEARTBEAT
        return FaultCode.RECIPE if self._recipe_bad else FaultCode.NONE

    def _plc_silent(self, now_s: float) -> bool:
        seen_s, longest_s = self._plc_seen_s, self._config.plc_heartbeat_s
        return longest_s > 0 and (seen_s is None or now_s - seen_s > longest_s)

    def _shows_others(self, verdict: Verdict) -> bool:
        return (
            self._config.results == "all"
            and self._pending is None
            and self._event not in _UNTIL_TRIGGER
            and not (verdict.trigger_id or "").startswith(self._own)
        )

    def _is_sound(self, now_s: float) -> bool:
        return self._standing_fault(now_s) is FaultCode.NONE

    def _void(self, event: FaultCode | None = None) -> None:
        """Forget the result and whoever waits for one."""
        if self._pending is not None:
            self._shown_number = self._pending.number
            self._counter = (self._counter + 1) & 0xFFFF
        self._pending = self._result = None
        if event is not None:
            self._event = event

    def _show(self, result: _Result, wanted_product: str) -> None:
        self._counter = (self._counter + 1) & 0xFFFF
        self._shown_number = result.number
        if wanted_product and result.verdict.product != wanted_product:
            self._result, self._event = None, FaultCode.RECIPE
        else:
            self._result = result

    def _start(self, now_s: float) -> list[Order]:
        if self._pending is not None:
            # Nobody could say to which of the two parts the answer belongs.
            self._void(FaultCode.OVERRUN)
            return []
        self._event, self._result = FaultCode.NONE, None
        number = self._word("trigger_number")
        self._triggers += 1
        trigger_id = f"{self._own}{self._triggers}-{number}"
        self._pending = _Pending(trigger_id, number, now_s, self._wanted_product())
        return [Trigger(trigger_id)]

    def _want_recipe(self, number: int) -> list[Order]:
        self._result = None  # it is of the product before
        self._recipe_bad = number != 0 and number not in self._config.recipes
        if self._recipe_bad:
            self._void()
        product = self._config.recipes.get(number)
        return [ChooseRecipe(product)] if product else []

    def _wanted_product(self) -> str:
        return self._config.recipes.get(self._word("recipe_wanted"), "")

    def _word(self, name: str) -> int:
        return self._commands[_ADDRESS[name] - _FIRST_COMMAND]
