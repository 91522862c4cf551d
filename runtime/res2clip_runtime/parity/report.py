"""All comparisons of one bundle on one engine, and whether it may be used."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from res2clip_runtime.errors import ParityError
from res2clip_runtime.parity.comparison import Comparison
from res2clip_runtime.parity.felt_change import FeltChange
from res2clip_runtime.parity.tolerances import tolerance_of

__all__ = ["ParityReport"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ParityReport:
    """Stage by stage, and what users feel."""

    precision: str
    """The bundle's."""
    backend: str
    """Engine that answered."""
    arithmetic: str
    """What this engine really computes in."""
    comparisons: tuple[Comparison, ...]
    """Stage by stage."""
    felt: FeltChange
    """Verdict by verdict."""
    lowering: Mapping[str, Any] = field(default_factory=dict)
    """What was lowered, what stayed float and why, the activations' ranges; empty in fp32."""

    @property
    def failures(self) -> tuple[str, ...]:
        """What is out of tolerance, one sentence each; empty when all is well."""
        limits = tolerance_of(self.precision)
        found = (comparison.failure(limits) for comparison in self.comparisons)
        return (*filter(None, found), *self.felt.failures(limits))

    def require(self, consequence: str, *, cause: str = "") -> None:
        """Raise ParityError if anything is out of tolerance.

        Args:
            consequence: what that means for the user, the start of the message.
            cause: where the error enters, if that is known.
        """
        if self.failures:
            raise ParityError(
                f"{consequence}: {'; '.join((*self.failures, *filter(None, [cause])))}"
            )

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON values; a figure that is not finite becomes null."""
        limits = dataclasses.asdict(tolerance_of(self.precision))
        values = {
            **dataclasses.asdict(self),
            "limits": limits,
            "tolerance": limits["max_abs"],
            "failures": list(self.failures),
        }
        finite: dict[str, Any] = _finite(values)
        return finite

    def summary(self) -> dict[str, Any]:
        """Return the few figures for the manifest."""
        worst = max(self.comparisons, key=lambda c: c.max_abs)
        least = min(self.comparisons, key=lambda c: c.cosine)
        summary: dict[str, Any] = _finite(
            {
                "max_abs": worst.max_abs,
                "where": f"{worst.stage}.{worst.output}",
                "tolerance": tolerance_of(self.precision).max_abs,
                "cosine": least.cosine,
                "cosine_where": f"{least.stage}.{least.output}",
                "verdicts": self.felt.verdicts,
                "verdicts_changed": self.felt.verdicts_changed,
                "judged": self.felt.judged,
                "p_ap_points": self.felt.p_ap_points,
                "backend": self.backend,
                "arithmetic": self.arithmetic,
            }
        )
        return summary


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
