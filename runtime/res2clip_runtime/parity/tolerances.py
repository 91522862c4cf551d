"""How far an exported model may be from PyTorch in fp32, by precision: the one table of limits."""

from __future__ import annotations

from dataclasses import dataclass

from res2clip_runtime.errors import InputError

__all__ = ["SEPARATED_AUROC", "TOLERANCES", "Tolerance", "tolerance_of"]

SEPARATED_AUROC = 0.9
"""I-AUROC from which fp32 counts as telling good from bad; below, verdicts prove nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """Limits of one precision."""

    max_abs: float | None
    """Largest absolute difference in any output; None: cosines judge instead."""
    encoder_cosine: float
    """Smallest cosine of the encoder's outputs."""
    output_cosine: float
    """Smallest cosine of every later output; match and heads stay in fp32 themselves."""
    margin: float
    """A decision may change this close to the threshold, as a share of the good/bad gap."""
    p_ap_points: float
    """Largest change of P-AP, in points (1 = 0.01)."""
    noise: bool = True
    """Whether noise pictures judge the encoder, too; int8 is calibrated for pictures of parts."""


# All outputs are of order one: unit features, residuals of norm at most 2, maps and scores.
# Cosines of residuals and maps are the looser ones: a residual of norm 0.2 is a small difference of
# two unit features, so it carries five times their relative error.
_INT8 = Tolerance(
    max_abs=None,
    encoder_cosine=0.998,
    output_cosine=0.97,
    margin=0.1,
    p_ap_points=1.5,
    noise=False,
)
TOLERANCES = {
    "fp32": Tolerance(
        max_abs=1e-4, encoder_cosine=0.99999, output_cosine=0.9999, margin=0.0, p_ap_points=0.5
    ),
    "fp16": Tolerance(
        max_abs=None, encoder_cosine=0.9999, output_cosine=0.999, margin=0.02, p_ap_points=0.5
    ),
    "bf16": Tolerance(
        max_abs=None, encoder_cosine=0.999, output_cosine=0.99, margin=0.05, p_ap_points=0.5
    ),
    "int8": _INT8,
    "int8-bf16": _INT8,
}


def tolerance_of(precision: str) -> Tolerance:
    """Return the limits of a precision.

    Raises:
        InputError: there is none of this name.
    """
    if precision not in TOLERANCES:
        raise InputError(
            f"precision '{precision}' (--precision) is unknown; use {', '.join(TOLERANCES)}"
        )
    return TOLERANCES[precision]
