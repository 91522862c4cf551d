"""The register map as data: what the server serves and what docs/outputs.md shows.

Every register can be read with function 3 or 4; several read in one request belong together.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import Literal

__all__ = [
    "COMMANDS",
    "MAP_VERSION",
    "NO_SCORE",
    "STATUS",
    "CommandBit",
    "FaultCode",
    "Register",
    "StatusBit",
    "WordOrder",
    "map_as_markdown",
    "split_int32",
]

MAP_VERSION = 1
NO_SCORE = -(2**31)
"""Where there is no score."""
_INT32_MOST = 2**31 - 1

WordOrder = Literal["high_first", "low_first"]


class StatusBit(IntFlag):
    """Bits of the register ``status``."""

    READY = 1 << 0
    BUSY = 1 << 1
    VALID = 1 << 2
    OK = 1 << 3
    NG = 1 << 4
    NO_RESULT = 1 << 5
    FAULT = 1 << 6


class CommandBit(IntFlag):
    """Bits of the register ``command``."""

    TRIGGER = 1 << 0


class FaultCode(IntEnum):
    """Values of the register ``fault_code``."""

    NONE = 0
    NOT_READY = 1
    CAMERA = 2
    PLC_HEARTBEAT = 3
    LATE = 4
    NO_RESULT = 5
    RECIPE = 6
    REFUSED = 7
    OVERRUN = 8
    LINE_SILENT = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """One entry of the map."""

    name: str
    """What it is called here."""
    address: int
    """Of its first word, counted from 0 as in the protocol."""
    words: int = 1
    """16-bit words."""
    meaning: str
    """What it says or does."""


STATUS = (
    Register(name="status", address=0, meaning="bits, see below"),
    Register(name="heartbeat", address=1, meaning="changes several times a second while all runs"),
    Register(name="fault_code", address=2, meaning="0: none, see below"),
    Register(
        name="result_counter",
        address=3,
        meaning="counts results, also those that never became valid; after 65535 comes 0",
    ),
    Register(
        name="score",
        address=4,
        words=2,
        meaning=f"score x 1000, signed 32 bits, high word first (or see `word_order`); "
        f"{NO_SCORE}: none",
    ),
    Register(name="recipe", address=6, meaning="number of the recipe in use; 0: it has none"),
    Register(
        name="result_number", address=7, meaning="`trigger_number` that came with this trigger"
    ),
    Register(
        name="result_ms", address=8, meaning="from trigger to result, in milliseconds, to 65535"
    ),
    Register(name="map_version", address=9, meaning=f"of this map: {MAP_VERSION}"),
)
"""Read only."""

COMMANDS = (
    Register(
        name="plc_heartbeat",
        address=100,
        meaning="the PLC writes another value at least every `plc_heartbeat_s`",
    ),
    Register(name="command", address=101, meaning="bits, see below"),
    Register(
        name="trigger_number",
        address=102,
        meaning="any number, written with or before the trigger; comes back as `result_number`",
    ),
    Register(
        name="recipe_wanted",
        address=103,
        meaning="a change switches the recipe from the next trigger on; 0: no wish",
    ),
)
"""Written by the PLC with function 6, 16, 22 or 23; can be read back."""

_STATUS_MEANING = {
    StatusBit.READY: "a trigger would be answered: no standing fault, no trigger under way",
    StatusBit.BUSY: "a trigger is under way",
    StatusBit.VALID: "OK, NG, score and `result_number` are those of the last trigger",
    StatusBit.OK: "the part is good; never without VALID, never with FAULT",
    StatusBit.NG: "reject the part: it is not good, has no result, or there is a fault",
    StatusBit.NO_RESULT: "the inspection answered ERROR; VALID and NG are set as well",
    StatusBit.FAULT: "`fault_code` is not 0",
}
_COMMAND_MEANING = {
    CommandBit.TRIGGER: "a change from 0 to 1 triggers; VALID, OK and NG are 0 and BUSY is 1 "
    "before the write is answered",
}
_FAULT_MEANING = {
    FaultCode.NONE: ("no fault", "-"),
    FaultCode.NOT_READY: ("the line is not ready: starting, stopping, or the model fails", "line*"),
    FaultCode.CAMERA: ("a camera is lost, or its last picture is too old", "camera*"),
    FaultCode.PLC_HEARTBEAT: (
        "`plc_heartbeat` has not changed in time",
        "`plc_heartbeat` changes*",
    ),
    FaultCode.LATE: ("no result within `result_timeout_s`", "next trigger"),
    FaultCode.NO_RESULT: ("the inspection answered ERROR", "next trigger"),
    FaultCode.RECIPE: (
        "`recipe_wanted` is unknown or was refused, or a result is of another product",
        "a known `recipe_wanted`, or 0*",
    ),
    FaultCode.REFUSED: ("the line refused the trigger", "next trigger"),
    FaultCode.OVERRUN: (
        "a trigger came while another was under way: both are void",
        "next trigger",
    ),
    FaultCode.LINE_SILENT: ("the line does not say how it is", "line*"),
}


def split_int32(value: int, order: WordOrder) -> tuple[int, int]:
    """Return a signed number as two words, held within 32 bits."""
    bits = min(max(value, NO_SCORE), _INT32_MOST) & 0xFFFFFFFF
    high, low = bits >> 16, bits & 0xFFFF
    return (high, low) if order == "high_first" else (low, high)


def map_as_markdown() -> str:
    """Return the tables of docs/outputs.md."""
    lines = ["| address | register | PLC | what |", "|---|---|---|---|"]
    for registers, access in ((STATUS, "reads"), (COMMANDS, "writes")):
        for each in registers:
            last = f"-{each.address + each.words - 1}" if each.words > 1 else ""
            lines.append(f"| {each.address}{last} | `{each.name}` | {access} | {each.meaning} |")
    lines += ["", "| bit | of `status` | what |", "|---|---|---|"]
    for status, what in _STATUS_MEANING.items():
        lines.append(f"| {status.bit_length() - 1} | {status.name} | {what} |")
    lines += ["", "| bit | of `command` | what |", "|---|---|---|"]
    for command, what in _COMMAND_MEANING.items():
        lines.append(f"| {command.bit_length() - 1} | {command.name} | {what} |")
    lines += ["", "| `fault_code` | name | what | ends with |", "|---|---|---|---|"]
    for fault, (what, end) in _FAULT_MEANING.items():
        lines.append(f"| {fault.value} | {fault.name} | {what} | {end} |")
    return "\n".join(lines) + "\n"
