"""Settings of the Modbus server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from res2clip_runtime.errors import InputError
from res2clip_runtime.modbus.registers import WordOrder
from res2clip_runtime.sinks.config_checks import (
    check_choice,
    check_number,
    check_port,
    check_text,
    check_whole,
)

__all__ = ["ModbusConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModbusConfig:
    """Where the server listens, and what makes a result void."""

    host: str = "127.0.0.1"
    """Address to listen on. Modbus has no password: choose the address of the PLC's network."""
    port: int = 502
    """TCP port; below 1024 the process needs CAP_NET_BIND_SERVICE."""
    recipes: Mapping[int, str] = field(default_factory=dict)
    """Number (1 to 65535) and product of each recipe that the PLC may choose."""
    results: Literal["own", "all"] = "own"
    """``own``: only results of the PLC's own triggers are shown; ``all``: every result is, for
    lines that run freely or are triggered by a sensor."""
    plc_heartbeat_s: float = 2.0
    """A PLC whose ``plc_heartbeat`` has not changed for so long is gone; 0: it need not change."""
    result_timeout_s: float = 5.0
    """A result that comes later than this after its trigger is void."""
    max_frame_age_s: float = 0.0
    """A camera whose last picture is older counts as lost, for free run; 0: the line decides."""
    word_order: WordOrder = "high_first"
    """Order of the two words of the score."""

    def __post_init__(self) -> None:
        check_text("modbus.host", self.host, forbidden=" /")
        check_port("modbus.port", self.port)
        check_choice("modbus.results", self.results, ("own", "all"))
        check_number("modbus.plc_heartbeat_s", self.plc_heartbeat_s, least=0)
        check_number("modbus.result_timeout_s", self.result_timeout_s, above=0)
        check_number("modbus.max_frame_age_s", self.max_frame_age_s, least=0)
        check_choice("modbus.word_order", self.word_order, ("high_first", "low_first"))
        object.__setattr__(self, "recipes", _numbered(self.recipes))


def _numbered(recipes: Mapping[int, str] | Mapping[str, str]) -> dict[int, str]:
    """Return the recipes by whole numbers: keys of TOML are texts."""
    numbered = {}
    for key, product in recipes.items():
        try:
            number = int(key)
        except (TypeError, ValueError) as err:
            raise InputError(
                f"modbus.recipes has the key {key!r}, expected numbers 1 to 65535"
            ) from err
        check_whole(f"modbus.recipes: number of '{product}'", number, least=1, most=65535)
        check_text(f"modbus.recipes.{number}", product)
        numbered[number] = product
    if len(set(numbered.values())) < len(numbered):
        raise InputError("modbus.recipes names a product twice; give each product one number")
    return numbered
