"""The state machine alone: every way to lose a result, at exact times."""

from __future__ import annotations

import dataclasses
import re
import struct
from pathlib import Path

import hypothesis
import pytest
from hypothesis import strategies

from res2clip_runtime.errors import InputError
from res2clip_runtime.inspection import error_verdict
from res2clip_runtime.modbus import ModbusConfig
from res2clip_runtime.modbus.handshake import ChooseRecipe, Handshake, Trigger
from res2clip_runtime.modbus.registers import (
    COMMANDS,
    NO_SCORE,
    STATUS,
    FaultCode,
    StatusBit,
    map_as_markdown,
    split_int32,
)
from res2clip_runtime.service.health import CameraHealth, LineHealth
from res2clip_runtime.verdict import Verdict

SOUND = LineHealth(
    product="washer",
    recipe_id="0",
    ready=True,
    cameras=(CameraHealth(name="top", state="ready", frame_age_s=0.1),),
)
LOST = dataclasses.replace(SOUND, cameras=(CameraHealth(name="top", state="lost"),))
CONFIG = ModbusConfig(recipes={1: "washer", 2: "nut"}, result_timeout_s=1.0, max_frame_age_s=1.5)


class Plc:
    """Writes and reads one handshake; time passes only by its hand."""

    def __init__(self, config: ModbusConfig = CONFIG) -> None:
        self.handshake = Handshake(config)
        self.now_s = 100.0
        self.health = SOUND
        self.beat = 0
        self.passes(0.0)

    def passes(self, seconds: float, *, beats: bool = True, talks: bool = True) -> None:
        """Let time pass, a tenth of a second at a time, with signs of life on both sides."""
        end_s = self.now_s + seconds
        while True:
            if talks:
                self.handshake.note_health(self.health, self.now_s)
            if beats:
                self.beat += 1
                self.handshake.command(100, [self.beat], self.now_s)
            if self.now_s >= end_s:
                return
            self.now_s = min(self.now_s + 0.1, end_s)

    def trigger(self, number: int = 1) -> str:
        self.handshake.command(101, [0], self.now_s)
        (order,) = self.handshake.command(101, [1, number], self.now_s)
        assert isinstance(order, Trigger)
        return order.trigger_id

    def answer(self, verdict: Verdict, trigger_id: str) -> None:
        answered = dataclasses.replace(verdict, trigger_id=trigger_id)
        self.handshake.take(answered, self.now_s)

    def reads(self) -> tuple[StatusBit, FaultCode]:
        words = self.handshake.status_words(self.now_s)
        assert len(words) == sum(register.words for register in STATUS)
        return StatusBit(words[0]), FaultCode(words[2])

    def word(self, name: str) -> int:
        (register,) = (each for each in STATUS if each.name == name)
        return self.handshake.status_words(self.now_s)[register.address]


READY, BUSY, VALID = StatusBit.READY, StatusBit.BUSY, StatusBit.VALID
GOOD, BAD, FAULT = StatusBit.OK, StatusBit.NG, StatusBit.FAULT


def test_a_good_part_is_ok_and_stays_so_until_the_next_trigger(ok: Verdict) -> None:
    plc = Plc()
    assert plc.reads() == (READY, FaultCode.NONE)
    trigger_id = plc.trigger(number=17)
    assert plc.reads() == (BUSY, FaultCode.NONE)
    plc.passes(0.25)
    plc.answer(ok, trigger_id)
    assert plc.reads() == (READY | VALID | GOOD, FaultCode.NONE)
    assert (plc.word("result_number"), plc.word("result_ms")) == (17, 250)
    assert (plc.word("result_counter"), plc.word("recipe")) == (1, 1)
    plc.passes(60)
    assert plc.reads() == (READY | VALID | GOOD, FaultCode.NONE)
    plc.trigger()
    assert plc.reads() == (BUSY, FaultCode.NONE)


def test_a_defective_part_is_ng_and_an_error_is_ng_without_a_result(ng: Verdict) -> None:
    plc = Plc()
    plc.answer(ng, plc.trigger())
    assert plc.reads() == (READY | VALID | BAD, FaultCode.NONE)
    plc.answer(error_verdict("x", "washer", "dark"), plc.trigger())
    bits, fault = plc.reads()
    assert bits == READY | VALID | BAD | FAULT | StatusBit.NO_RESULT
    assert fault is FaultCode.NO_RESULT
    plc.answer(ng, plc.trigger())
    assert plc.reads() == (READY | VALID | BAD, FaultCode.NONE)


def test_holding_the_trigger_bit_is_one_trigger(ok: Verdict) -> None:
    plc = Plc()
    trigger_id = plc.trigger()
    assert plc.handshake.command(101, [1], plc.now_s) == []
    assert plc.handshake.command(100, [99, 1, 5, 0], plc.now_s) == []
    plc.answer(ok, trigger_id)
    assert plc.handshake.command(101, [1], plc.now_s) == []
    assert GOOD in plc.reads()[0]


def test_a_late_result_is_void_and_stays_void(ok: Verdict) -> None:
    plc = Plc()
    trigger_id = plc.trigger(number=4)
    plc.passes(1.01)
    assert plc.reads() == (READY | BAD | FAULT, FaultCode.LATE)
    assert (plc.word("result_counter"), plc.word("result_number")) == (1, 4)
    plc.answer(ok, trigger_id)
    assert plc.reads() == (READY | BAD | FAULT, FaultCode.LATE)
    plc.answer(ok, plc.trigger())
    assert plc.reads() == (READY | VALID | GOOD, FaultCode.NONE)


def test_a_result_that_arrives_late_between_two_reads_is_void_too(ok: Verdict) -> None:
    plc = Plc()
    trigger_id = plc.trigger()
    plc.now_s += 1.2  # nobody has looked in between
    plc.answer(ok, trigger_id)
    assert plc.reads() == (READY | BAD | FAULT, FaultCode.LATE)


@pytest.mark.parametrize("answered", [False, True])
@pytest.mark.parametrize(
    ("breaks", "fault"),
    [
        ("camera is lost", FaultCode.CAMERA),
        ("camera is stale", FaultCode.CAMERA),
        ("line is not ready", FaultCode.NOT_READY),
        ("line is silent", FaultCode.LINE_SILENT),
        ("plc is silent", FaultCode.PLC_HEARTBEAT),
        ("recipe is unknown", FaultCode.RECIPE),
        ("recipe is refused", FaultCode.RECIPE),
    ],
)
def test_a_standing_fault_voids_a_result_for_good(
    ok: Verdict, breaks: str, fault: FaultCode, answered: bool
) -> None:
    plc = Plc(dataclasses.replace(CONFIG, result_timeout_s=60))
    trigger_id = plc.trigger()
    if answered:
        plc.answer(ok, trigger_id)
        assert GOOD in plc.reads()[0]
    if breaks == "camera is lost":
        plc.health = LOST
        plc.passes(0.1)
    elif breaks == "camera is stale":
        stale = CameraHealth(name="top", state="ready", frame_age_s=1.6)
        plc.health = dataclasses.replace(SOUND, cameras=(stale,))
        plc.passes(0.1)
    elif breaks == "line is not ready":
        plc.health = dataclasses.replace(SOUND, ready=False)
        plc.passes(0.1)
    elif breaks == "line is silent":
        plc.passes(2.5, talks=False)
    elif breaks == "plc is silent":
        plc.passes(2.5, beats=False)
    elif breaks == "recipe is unknown":
        plc.handshake.command(103, [9], plc.now_s)
    else:
        (order,) = plc.handshake.command(103, [2], plc.now_s)
        assert order == ChooseRecipe("nut")
        plc.handshake.refused(order)
    assert plc.reads() == (BAD | FAULT, fault)
    plc.answer(ok, trigger_id)
    assert GOOD not in plc.reads()[0]
    # Everything is well again: the old result does not come back, and it is said why.
    plc.health = SOUND
    plc.handshake.command(103, [0], plc.now_s)
    plc.passes(0.2)
    plc.answer(ok, trigger_id)
    bits, shown = plc.reads()
    assert not bits & (VALID | GOOD)
    if shown is not FaultCode.NONE:
        assert bits == READY | BAD | FAULT
    plc.answer(ok, plc.trigger())
    assert plc.reads() == (READY | VALID | GOOD, FaultCode.NONE)


def test_a_short_fault_during_a_trigger_is_still_seen_by_a_plc_that_looks_later(
    ok: Verdict,
) -> None:
    plc = Plc()
    trigger_id = plc.trigger()
    plc.health = LOST
    plc.passes(0.1)
    plc.health = SOUND
    plc.passes(0.1)
    plc.answer(ok, trigger_id)
    assert plc.reads() == (READY | BAD | FAULT, FaultCode.CAMERA)


def test_a_trigger_under_a_standing_fault_is_passed_on_and_never_ok(ok: Verdict) -> None:
    plc = Plc()
    plc.health = LOST
    plc.passes(0.1)
    trigger_id = plc.trigger()
    assert plc.reads() == (BAD | FAULT, FaultCode.CAMERA)
    plc.answer(ok, trigger_id)
    assert plc.reads() == (BAD | FAULT, FaultCode.CAMERA)
    assert plc.word("result_counter") == 1


def test_a_trigger_before_the_answer_voids_both(ok: Verdict) -> None:
    plc = Plc()
    first = plc.trigger(number=1)
    plc.handshake.command(101, [0], plc.now_s)
    assert plc.handshake.command(101, [1, 2], plc.now_s) == []
    assert plc.reads() == (READY | BAD | FAULT, FaultCode.OVERRUN)
    plc.answer(ok, first)
    assert plc.reads() == (READY | BAD | FAULT, FaultCode.OVERRUN)
    plc.answer(ok, plc.trigger(number=3))
    assert plc.reads() == (READY | VALID | GOOD, FaultCode.NONE)


def test_a_refused_trigger_is_ng(ok: Verdict) -> None:
    plc = Plc()
    plc.handshake.refused(Trigger(plc.trigger()))
    assert plc.reads() == (READY | BAD | FAULT, FaultCode.REFUSED)


def test_answers_to_others_are_not_shown_and_every_answer_is_where_asked(
    ok: Verdict, ng: Verdict
) -> None:
    plc = Plc()
    plc.answer(ok, "somebody else's")
    assert plc.reads() == (READY, FaultCode.NONE)
    listening = Plc(dataclasses.replace(CONFIG, results="all"))
    listening.answer(ok, "the sensor's")
    assert listening.reads() == (READY | VALID | GOOD, FaultCode.NONE)
    listening.answer(ng, "the sensor's")
    assert listening.reads() == (READY | VALID | BAD, FaultCode.NONE)
    assert listening.word("result_counter") == 2
    listening.trigger()
    listening.answer(ok, "the sensor's")
    assert listening.reads() == (BUSY, FaultCode.NONE)
    listening = Plc(dataclasses.replace(CONFIG, results="all"))
    listening.health = LOST
    listening.passes(0.1)
    listening.answer(ok, "the sensor's")
    assert listening.reads() == (BAD | FAULT, FaultCode.CAMERA)


def test_a_voided_result_does_not_come_back_as_somebody_elses(ok: Verdict) -> None:
    plc = Plc(dataclasses.replace(CONFIG, results="all"))
    late = plc.trigger()
    plc.passes(1.2)
    overrun = plc.trigger()
    assert plc.reads() == (BUSY, FaultCode.NONE)
    plc.handshake.command(101, [0], plc.now_s)
    plc.handshake.command(101, [1, 2], plc.now_s)
    for trigger_id in (late, overrun, "the sensor's"):
        plc.answer(ok, trigger_id)
        assert plc.reads() == (READY | BAD | FAULT, FaultCode.OVERRUN)
    plc.answer(ok, plc.trigger())
    plc.answer(ok, overrun)
    assert plc.reads() == (READY | VALID | GOOD, FaultCode.NONE)
    assert plc.word("result_counter") == 3


@pytest.mark.parametrize("fault", [FaultCode.LATE, FaultCode.REFUSED])
def test_a_fault_of_a_trigger_stays_until_the_next_whatever_others_are_answered(
    ok: Verdict, fault: FaultCode
) -> None:
    plc = Plc(dataclasses.replace(CONFIG, results="all"))
    trigger_id = plc.trigger()
    if fault is FaultCode.LATE:
        plc.passes(1.2)
    else:
        plc.handshake.refused(Trigger(trigger_id))
    for answered in (trigger_id, "the sensor's"):
        plc.answer(ok, answered)
        assert plc.reads() == (READY | BAD | FAULT, fault)


def test_a_result_of_another_product_than_the_wanted_is_never_ok(ok: Verdict) -> None:
    plc = Plc()
    assert plc.handshake.command(103, [2], plc.now_s) == [ChooseRecipe("nut")]
    plc.answer(ok, plc.trigger())  # of a washer
    assert plc.reads() == (READY | BAD | FAULT, FaultCode.RECIPE)
    plc.answer(dataclasses.replace(ok, product="nut"), plc.trigger())
    assert plc.reads() == (READY | VALID | GOOD, FaultCode.NONE)
    assert plc.handshake.command(103, [1], plc.now_s) == [ChooseRecipe("washer")]
    assert plc.reads() == (READY, FaultCode.NONE)  # the result was of the product before


def test_recipe_and_trigger_in_one_write_are_asked_in_this_order() -> None:
    plc = Plc()
    orders = plc.handshake.command(100, [7, 1, 5, 2], plc.now_s)
    assert [type(order) for order in orders] == [ChooseRecipe, Trigger]


class Shift(Plc):
    """What happens on a line, and whether OK would be the truth."""

    def __init__(self, ok: Verdict, ng: Verdict) -> None:
        super().__init__(dataclasses.replace(CONFIG, max_frame_age_s=0))
        self.good, self.bad = ok, ng
        self.asked = [""]
        self.asked_s = float("-inf")
        self.deserved = False
        self.wanted = 0

    def asks(self) -> None:
        self.deserved, self.asked_s = False, self.now_s
        self.handshake.command(101, [0], self.now_s)
        for order in self.handshake.command(101, [1], self.now_s):
            assert isinstance(order, Trigger)
            self.asked.append(order.trigger_id)

    def answers_ok(self) -> None:
        waits = BUSY in self.reads()[0] and self.now_s - self.asked_s <= 1.0
        self.answer(self.good, self.asked[-1])
        self.deserved = self.deserved or waits

    def answers_the_one_before(self) -> None:
        if len(self.asked) > 2:
            self.answer(self.good, self.asked[-2])

    def answers_ng(self) -> None:
        self.answer(self.bad, self.asked[-1])

    def answers_error(self) -> None:
        self.answer(error_verdict("x", "washer", "why"), self.asked[-1])

    def loses_the_camera(self) -> None:
        self.health, self.deserved = LOST, False
        self.passes(0.1)

    def finds_the_camera(self) -> None:
        self.health = SOUND
        self.passes(0.1)

    def wants_nuts(self) -> None:
        self._wants(2)

    def wants_anything(self) -> None:
        self._wants(0)

    def _wants(self, number: int) -> None:
        self.handshake.command(103, [number], self.now_s)
        self.deserved = self.deserved and number == self.wanted
        self.wanted = number

    def waits(self) -> None:
        self.passes(0.4)

    def hears_no_plc(self) -> None:
        self.deserved = False
        self.passes(2.5, beats=False)

    def hears_no_line(self) -> None:
        self.deserved = False
        self.passes(2.5, talks=False)


EVENTS = [name for name in vars(Shift) if not name.startswith("_")]


@hypothesis.given(strategies.lists(strategies.sampled_from(EVENTS), max_size=25))
@hypothesis.settings(deadline=None, max_examples=200)
def test_whatever_happens_ok_is_shown_only_where_it_is_true(
    ok: Verdict, ng: Verdict, events: list[str]
) -> None:
    shift = Shift(ok, ng)
    for event in events:
        getattr(shift, event)()
        bits, fault = shift.reads()
        if GOOD in bits:
            assert shift.deserved
            assert VALID in bits
            assert not bits & (BAD | BUSY | FAULT)
            assert fault is FaultCode.NONE


def test_without_supervision_the_plc_need_not_beat(ok: Verdict) -> None:
    plc = Plc(dataclasses.replace(CONFIG, plc_heartbeat_s=0))
    plc.answer(ok, plc.trigger())
    plc.passes(60, beats=False)
    assert GOOD in plc.reads()[0]


def test_the_heartbeat_stops_with_the_line() -> None:
    plc = Plc()
    before = plc.word("heartbeat")
    plc.passes(1)
    beating = plc.word("heartbeat")
    plc.passes(1, talks=False)
    assert before != beating == plc.word("heartbeat")


def test_before_the_line_has_spoken_nothing_is_ready() -> None:
    words = Handshake(CONFIG).status_words(0.0)
    assert (StatusBit(words[0]), words[2]) == (BAD | FAULT, FaultCode.LINE_SILENT)


def test_ids_of_triggers_are_never_the_same() -> None:
    assert len({plc.trigger() for plc in (Plc(), Plc()) for _ in range(1)}) == 2


@pytest.mark.parametrize(
    ("score", "thousandths"),
    [(0.4217, 422), (-1.5, -1500), (0.0, 0), (1e9, 2_000_000_000), (float("nan"), NO_SCORE)],
)
def test_scores_are_signed_32_bits_in_either_order(
    ng: Verdict, score: float, thousandths: int
) -> None:
    for order in ("high_first", "low_first"):
        plc = Plc(dataclasses.replace(CONFIG, word_order=order))
        plc.answer(dataclasses.replace(ng, score=score), plc.trigger())
        words = plc.handshake.status_words(plc.now_s)[4:6]
        high, low = words if order == "high_first" else reversed(words)
        assert struct.unpack(">i", struct.pack(">HH", high, low)) == (thousandths,)


def test_numbers_beyond_32_bits_stay_at_the_end() -> None:
    assert split_int32(2**40, "high_first") == (0x7FFF, 0xFFFF)
    assert split_int32(-(2**40), "high_first") == (0x8000, 0)


def test_the_register_map_overlaps_nowhere_and_is_in_the_docs() -> None:
    addresses = [r.address + n for r in (*STATUS, *COMMANDS) for n in range(r.words)]
    assert len(set(addresses)) == len(addresses)
    assert [r.address for r in COMMANDS] == list(range(100, 100 + len(COMMANDS)))
    page = (Path(__file__).parents[3] / "docs" / "outputs.md").read_text()
    shown = re.search(r"<!-- registers -->\n(.*)<!-- end of registers -->", page, re.DOTALL)
    assert shown
    assert shown[1] == map_as_markdown(), (
        "write it anew: python -c 'from res2clip_runtime.modbus.registers import "
        "map_as_markdown; print(map_as_markdown())'"
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"port": 70_000}, r"modbus\.port is 70000"),
        ({"results": "some"}, r"modbus\.results is 'some', expected one of: own, all"),
        ({"word_order": "middle"}, r"modbus\.word_order is 'middle'"),
        ({"result_timeout_s": 0}, r"modbus\.result_timeout_s is 0"),
        ({"plc_heartbeat_s": -1}, r"modbus\.plc_heartbeat_s is -1"),
        ({"recipes": {"one": "washer"}}, r"modbus\.recipes has the key 'one'"),
        ({"recipes": {0: "washer"}}, r"number of 'washer' is 0, expected a whole number 1"),
        ({"recipes": {1: ""}}, r"modbus\.recipes\.1 is ''"),
        ({"recipes": {1: "washer", 2: "washer"}}, r"names a product twice"),
    ],
)
def test_a_setting_that_makes_no_sense_is_named(settings: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ModbusConfig(**settings)  # type: ignore[arg-type]


def test_numbers_of_recipes_may_be_texts_as_in_toml() -> None:
    assert ModbusConfig(recipes={"7": "washer"}).recipes == {7: "washer"}  # type: ignore[dict-item]
