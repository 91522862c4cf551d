"""What the run needs from whatever takes verdicts."""

from __future__ import annotations

from typing import Protocol

from res2clip_runtime.preprocess import PictureU8
from res2clip_runtime.verdict import Verdict

__all__ = ["Sink"]


class Sink(Protocol):
    """Takes every verdict of a run, in order."""

    def write(self, verdict: Verdict, picture: PictureU8 | None) -> None:
        """Take one verdict and its (H, W, 3) uint8 RGB picture (None if it was undecodable).

        Raises:
            OutputError: it could not be written; what was written before is whole.
        """

    def close(self) -> None:
        """Make sure that everything has arrived; a second call does nothing.

        Raises:
            OutputError: it has not.
        """
