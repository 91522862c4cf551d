"""Decisions against the truth, in the words of the line: overkill and underkill."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

from res2clip_runtime.verdict import Decision

__all__ = ["Confusion", "confuse"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Confusion:
    """How many good and defective parts got which decision."""

    good_ok: int = 0
    """Good parts passed."""
    good_ng: int = 0
    """Overkill: good parts rejected."""
    good_error: int = 0
    """Good parts without decision."""
    defective_ok: int = 0
    """Underkill: defective parts passed."""
    defective_ng: int = 0
    """Defective parts rejected."""
    defective_error: int = 0
    """Defective parts without decision."""

    @property
    def good(self) -> int:
        """All good parts."""
        return self.good_ok + self.good_ng + self.good_error

    @property
    def defective(self) -> int:
        """All defective parts."""
        return self.defective_ok + self.defective_ng + self.defective_error

    @property
    def overkill_rate(self) -> float:
        """Share of the good parts that were rejected; NaN without good parts."""
        return self.good_ng / self.good if self.good else float("nan")

    @property
    def underkill_rate(self) -> float:
        """Share of the defective parts that were passed; NaN without defective parts."""
        return self.defective_ok / self.defective if self.defective else float("nan")

    def __add__(self, other: Confusion) -> Confusion:
        """Return the counts of both."""
        mine, theirs = asdict(self), asdict(other)
        return Confusion(**{name: count + theirs[name] for name, count in mine.items()})


def confuse(outcomes: Iterable[tuple[bool, Decision]]) -> Confusion:
    """Return the counts of (is the part defective, what was decided)."""
    total = Confusion()
    for defective, decision in outcomes:
        field = f"{'defective' if defective else 'good'}_{decision.value.lower()}"
        total += Confusion(**{field: 1})
    return total
