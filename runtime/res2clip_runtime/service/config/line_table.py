"""The table ``[line]``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from res2clip_runtime.errors import InputError
from res2clip_runtime.service.settings import LineSettings

__all__ = ["LineTable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LineTable(LineSettings):
    """What the line is called, how it works, and what it tells."""

    name: str = "line"
    """Name in topics, metrics and logs."""
    product: str | None = None
    """What is inspected at first; None: the only product there is."""
    wait_for_cameras: bool = True
    """Whether a camera that is not there yet is waited for; false: it ends the start."""
    print: Literal["none", "text", "json"] = "none"
    """Verdicts on standard output, a line each."""
    log_format: Literal["text", "json"] = "text"
    """Events on standard error, a line each."""
    log_level: Literal["info", "warning"] = "info"
    """The least that is logged."""

    def __post_init__(self) -> None:
        LineSettings.__post_init__(self)
        if not re.fullmatch(r"[\w.-]{1,64}", self.name):
            raise InputError(f"name is {self.name!r}, expected up to 64 letters, digits, and . _ -")
