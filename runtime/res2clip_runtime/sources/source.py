"""What the run needs from whatever gives pictures."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator

from res2clip_runtime.closable import Closable
from res2clip_runtime.errors import InputError, SourceEnded, SourceError
from res2clip_runtime.sources.frame import Frame

__all__ = ["Source"]

_PATIENCE_S = 10.0
"""How long ``for frame in source`` waits for a picture that should come by itself."""


class Source(Closable):
    """Pictures in order; opened by its constructor, read by one thread, closed by ``with``.

    A source that has raised SourceError is of no more use: close it and open a **new** one, because
    handles of cameras and streams die with their connection.
    """

    live: bool = False
    """Whether it gives pictures no matter if anybody reads (camera, stream); old ones may go."""
    waits: bool = False
    """Whether a long silence is normal: it waits for a trigger, or for files to appear."""
    has_trigger: bool = False
    """Whether :meth:`trigger` works."""
    dropped: int = 0
    """Pictures that a newer one replaced before anybody read them."""
    damaged: int = 0
    """Pictures that came incomplete or undecodable, and were therefore not given."""

    @property
    def count(self) -> int | None:
        """How many pictures it holds; None when that is not known or it never ends."""
        return None

    @abstractmethod
    def describe(self) -> str:
        """Return one line for the person at the machine, without passwords."""

    @abstractmethod
    def read(self, timeout_s: float) -> Frame | None:
        """Return the next picture (a live source: the newest), or None if none came in time.

        Args:
            timeout_s: longest wait; what is at hand without waiting, such as a file, is given
                whatever the time.

        Raises:
            SourceEnded: rightly, there are no more pictures.
            SourceError: it broke off; close it and open a new one.
        """

    def trouble(self) -> str:
        """Return why no pictures can come for now though the handle is good; empty: they can."""
        return ""

    def trigger(self) -> None:
        """Take one picture now; pictures that came before and were not read are forgotten.

        If no picture answers a trigger in time, close the source and open a new one before the
        next trigger: a picture that is still on its way must not answer that.

        Raises:
            InputError: it has no software trigger.
            SourceError: the camera does not answer; close it and open a new one.
        """
        raise InputError(
            f"{self.describe()} has no software trigger; use one whose camera has "
            '(GenICam: trigger = "software"), or let it run freely'
        )

    def __iter__(self) -> Iterator[Frame]:
        """Yield the pictures until they end.

        Raises:
            SourceError: it broke off, or gave nothing for 10 s though it should.
        """
        while True:
            try:
                frame = self.read(_PATIENCE_S)
            except SourceEnded:
                return
            if frame is not None:
                yield frame
            elif not self.waits:
                raise SourceError(
                    f"{self.describe()} gave no picture for {_PATIENCE_S:g} s; check it"
                )
