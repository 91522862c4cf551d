"""The pictures parity is judged on: a few that teach, the others are inspected."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from res2clip_runtime.errors import InputError
from res2clip_runtime.preprocess import PictureU8

__all__ = ["MIN_PICTURES", "TEACHING", "JudgedPictures"]

TEACHING = 2
"""So many pictures teach; it is the fewest that give a threshold."""
MIN_PICTURES = TEACHING + 2


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class JudgedPictures:
    """Squares as the encoder sees them, and the truth as far as it is known."""

    squares: tuple[PictureU8, ...]
    """(S, S, 3) uint8 RGB; the first ``TEACHING`` are good and teach."""
    kind: str
    """``drawn`` or ``given``, for the report."""
    defective: npt.NDArray[np.bool_] | None = None
    """(n,) which of the n inspected pictures show a defect; None: not known."""
    masks: npt.NDArray[np.bool_] | None = None
    """(n, S, S) their defective pixels; None: not known."""

    def __post_init__(self) -> None:
        """Refuse too few pictures, and truth of another length."""
        if len(self.squares) < MIN_PICTURES:
            raise InputError(
                f"parity needs {MIN_PICTURES} or more pictures (--pictures), "
                f"got {len(self.squares)}"
            )
        for truth in (self.defective, self.masks):
            if truth is not None and len(truth) != len(self.inspected):
                raise InputError(f"{len(truth)} labels for {len(self.inspected)} pictures")

    @property
    def teaching(self) -> tuple[PictureU8, ...]:
        """The pictures that teach."""
        return self.squares[:TEACHING]

    @property
    def inspected(self) -> tuple[PictureU8, ...]:
        """The pictures that are inspected."""
        return self.squares[TEACHING:]
