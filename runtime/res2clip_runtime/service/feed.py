"""How a line asks its cameras for pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from res2clip_runtime.service.camera_plan import CameraPlan
from res2clip_runtime.sources import Frame, Source

if TYPE_CHECKING:
    from res2clip_runtime.service.capture import Capture

__all__ = ["Feed"]


class Feed(Protocol):
    """How a line's pictures are asked for and where they go."""

    def on_demand(self, plan: CameraPlan, source: Source) -> bool:
        """Return whether ``source`` is read only when a ticket asks for a picture.

        Raises:
            InputError: it cannot serve this line.
        """

    def take(self, frame: Frame, capture: Capture) -> None:
        """Take a picture that came by itself; may wait where the source is not live."""
