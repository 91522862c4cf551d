"""One frame of a source through the model, so that whatever breaks is an ERROR verdict."""

from __future__ import annotations

import dataclasses
import logging
import time
from dataclasses import dataclass, field

from res2clip_runtime.errors import ArtefactNotFoundError, InputError, Res2ClipError
from res2clip_runtime.inspection import error_verdict, inspect
from res2clip_runtime.preprocess import PictureU8
from res2clip_runtime.recipe import Recipe
from res2clip_runtime.sources.frame import Frame
from res2clip_runtime.stages import Stages
from res2clip_runtime.verdict import Verdict

__all__ = ["InspectedFrame", "inspect_frame"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class InspectedFrame:
    """What came of a frame."""

    verdict: Verdict
    """ERROR if anything went wrong."""
    picture: PictureU8 | None = field(repr=False)
    """(H, W, 3) uint8 RGB; None if it could not be decoded."""
    model_fault: bool
    """Whether it went wrong in the model or in us, not in the picture."""


def inspect_frame(stages: Stages, recipe: Recipe, frame: Frame) -> InspectedFrame:
    """Return the verdict on ``frame``; running out of memory, too, is only an ERROR verdict."""
    picture = None
    start = time.perf_counter_ns()
    try:
        picture = frame.picture()
        read_ms = (time.perf_counter_ns() - start) / 1e6
        verdict = inspect(
            stages, picture, recipe, frame_id=frame.frame_id, captured_at=frame.captured_at
        )
    except Exception as err:  # whatever breaks on one picture, the next one is inspected
        if not isinstance(err, (Res2ClipError, MemoryError)):
            logger.exception("a defect of res2clip, please report it: %s", frame.frame_id)
        verdict = error_verdict(frame.frame_id, recipe.product, _reason(err))
        return InspectedFrame(
            verdict=dataclasses.replace(verdict, captured_at=frame.captured_at),
            picture=picture,
            model_fault=not isinstance(err, (InputError, ArtefactNotFoundError)),
        )
    latency_ms = {"read": read_ms, **verdict.latency_ms}
    return InspectedFrame(
        verdict=dataclasses.replace(verdict, latency_ms=latency_ms),
        picture=picture,
        model_fault=False,
    )


def _reason(err: Exception) -> str:
    if isinstance(err, MemoryError):
        return "out of memory; close other programs, or use a smaller model or fewer threads"
    return str(err) or type(err).__name__
