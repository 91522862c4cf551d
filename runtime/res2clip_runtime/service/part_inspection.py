"""All pictures of a part through the model, to one verdict."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from res2clip_runtime.frame_inspection import InspectedFrame
from res2clip_runtime.preprocess import PictureU8
from res2clip_runtime.service.capture import Capture
from res2clip_runtime.service.examiner import Examiner
from res2clip_runtime.service.part import part_verdict, worst_index
from res2clip_runtime.sources import Frame
from res2clip_runtime.verdict import Verdict

__all__ = ["InspectedPart", "PartInspection"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class InspectedPart:
    """What came of a part."""

    verdict: Verdict
    """That of the worst view."""
    picture: PictureU8 | None = field(repr=False)
    """(H, W, 3) uint8 RGB of the worst view; None if it could not be decoded."""


class PartInspection:
    """Inspects part after part on one thread."""

    def __init__(
        self, examiner: Examiner, captures: Mapping[str, Capture], *, beat: Callable[[], None]
    ) -> None:
        """Use ``examiner``; call ``beat`` before each picture, to show that things move."""
        self._examiner = examiner
        self._captures = captures
        self._beat = beat

    def inspect(
        self,
        views: Sequence[tuple[str, Frame]],
        product: str,
        *,
        part_id: str | None = None,
        wanted: Callable[[], bool] = lambda: True,
    ) -> InspectedPart:
        """Return the verdict on the part of which ``views`` (camera, frame) were taken.

        Args:
            views: one or more pictures.
            product: what to inspect it as.
            part_id: names the part; None: as its first picture, where there are several.
            wanted: asked before each further picture; False: nobody waits for the rest any more.
        """
        done: list[InspectedFrame] = []
        for camera, frame in views:
            if done and not wanted():
                break
            self._beat()
            live = self._captures[camera].live
            done.append(self._examiner.examine(camera, frame, product, fixed_size=live))
        if len(views) == 1:
            return InspectedPart(verdict=done[0].verdict, picture=done[0].picture)
        verdicts = [one.verdict for one in done]
        part_id = part_id or views[0][1].frame_id
        worst = done[worst_index(verdicts)]
        return InspectedPart(verdict=part_verdict(verdicts, part_id=part_id), picture=worst.picture)
