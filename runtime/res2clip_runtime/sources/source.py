"""What the run needs from whatever gives pictures."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from types import TracebackType
from typing import TypeVar

from res2clip_runtime.sources.frame import Frame

__all__ = ["Source"]

Self = TypeVar("Self", bound="Source")


class Source(ABC):
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

    @abstractmethod
    def close(self) -> None:
        """Free the file or device; a second call does nothing."""

    def __enter__(self: Self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it."""
        self.close()
