"""What the run needs from whatever gives pictures."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator

from res2clip_runtime.closable import Closable
from res2clip_runtime.sources.frame import Frame

__all__ = ["Source"]


class Source(Closable):
    """Pictures in order; opened by its constructor, iterated once, closed by ``with``."""

    @property
    @abstractmethod
    def count(self) -> int | None:
        """How many pictures it holds; None when that is not known or it never ends."""

    @abstractmethod
    def describe(self) -> str:
        """Return one line for the person at the machine."""

    @abstractmethod
    def __iter__(self) -> Iterator[Frame]:
        """Yield the pictures.

        Raises:
            SourceError: it gives no more pictures though it should.
        """
