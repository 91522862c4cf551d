"""What owns a file, a device or an engine, and lets go of it at the end of a ``with``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import TypeVar

__all__ = ["Closable"]

Self = TypeVar("Self", bound="Closable")


class Closable(ABC):
    """Closed by ``close`` or at the end of a ``with`` block."""

    @abstractmethod
    def close(self) -> None:
        """Let go of what it owns; a second call does nothing."""

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
