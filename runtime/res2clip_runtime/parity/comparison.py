"""Two arrays that should be equal, and how far apart they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from res2clip_runtime.errors import ParityError
from res2clip_runtime.parity.tolerances import Tolerance
from res2clip_runtime.stages import FloatArray

__all__ = ["SEEDED", "Comparison", "compare"]

SEEDED = "seeded"
"""Name of the noise pictures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One output of one stage, on one set of pictures."""

    stage: str
    """preprocess, encoder, match, heads or verdict."""
    output: str
    """Name of the output."""
    pictures: str
    """``seeded`` noise, or ``drawn`` / ``given`` pictures."""
    max_abs: float
    """Largest absolute difference to the reference; NaN if an output is not finite."""
    cosine: float
    """Cosine between both outputs; NaN if an output is not finite."""
    worst_cosine: float | None
    """Smallest cosine of any one feature vector; only of the encoder's outputs."""
    least_cosine: float | None = None
    """This comparison's own limit; None: the precision's."""

    def failure(self, limits: Tolerance) -> str:
        """Return what is out of tolerance, one sentence; empty when all is well."""
        where = f"stage '{self.stage}' output '{self.output}'"
        on = f"on {self.pictures} pictures"
        if limits.max_abs is not None and not self.max_abs <= limits.max_abs:  # a NaN fails too
            return f"{where} differs by {self.max_abs:.2e} {on}, allowed {limits.max_abs:.0e}"
        encoder = self.stage == "encoder"
        if encoder and self.pictures == SEEDED and not limits.noise and self.cosine == self.cosine:
            return ""
        least = limits.encoder_cosine if encoder else limits.output_cosine
        if self.least_cosine is not None:
            least = self.least_cosine
        if not self.cosine >= least:
            return f"{where} has a cosine of {self.cosine:.6f} {on}, at least {least:.7g} is needed"
        return ""


def compare(
    stage: str, output: str, pictures: str, expected: FloatArray, actual: FloatArray
) -> Comparison:
    """Return how far ``actual`` is from ``expected``, both of one shape.

    Raises:
        ParityError: the shapes differ.
    """
    if expected.shape != actual.shape:
        raise ParityError(
            f"stage '{stage}' output '{output}' has shape {actual.shape}, expected {expected.shape}"
        )
    finite = bool(np.isfinite(expected).all() and np.isfinite(actual).all())
    nan = float("nan")
    return Comparison(
        stage=stage,
        output=output,
        pictures=pictures,
        max_abs=float(np.abs(expected - actual).max()) if finite else nan,
        cosine=_cosines(expected.reshape(1, -1), actual.reshape(1, -1)) if finite else nan,
        worst_cosine=_cosines(expected, actual) if finite and stage == "encoder" else None,
    )


def _cosines(expected: FloatArray, actual: FloatArray) -> float:
    """Return the smallest cosine along the last axis; where one is all zeros, that is 1 or 0."""
    dot, left, right = (
        np.einsum("...i,...i->...", a, b, dtype=np.float64)
        for a, b in ((expected, actual), (expected, expected), (actual, actual))
    )
    norm = np.sqrt(left * right)
    both_zero = np.where((left == 0) & (right == 0), 1.0, 0.0)
    return float(np.divide(dot, norm, out=both_zero, where=norm > 0).min())
