"""One finding of the doctor."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

__all__ = ["Check", "Status"]


class Status(str, Enum):
    """How bad it is."""

    OK = "ok"
    """It works."""
    WARN = "warn"
    """Something optional is absent, or something is odd."""
    MISSING = "missing"
    """Nothing can be inspected before this is mended."""
    WRONG = "wrong"
    """It computes something else than it should: it must not be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was tried."""

    name: str
    """What was tried."""
    status: Status
    """Whether it works."""
    detail: str
    """What was found: a version, a path, a count."""
    remedy: str = ""
    """The command or step that mends it; empty when nothing need be done."""

    def to_json(self) -> dict[str, str]:
        """Return the fields as JSON values."""
        return {
            "name": self.name,
            "status": self.status.value,
            "detail": self.detail,
            "remedy": self.remedy,
        }
