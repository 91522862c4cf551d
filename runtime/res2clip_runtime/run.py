"""Pictures from a source through the model into the sinks, one after the other.

Fail-safe: a picture that cannot be inspected gets the verdict ERROR and the run goes on; a result
that cannot be written ends it.
"""

from __future__ import annotations

import dataclasses
import itertools
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

from res2clip_runtime.errors import Res2ClipError
from res2clip_runtime.inspection import error_verdict, inspect
from res2clip_runtime.preprocess import PictureU8, load_rgb
from res2clip_runtime.recipe import Recipe
from res2clip_runtime.sinks import Sink
from res2clip_runtime.sources import Frame
from res2clip_runtime.stages import Stages
from res2clip_runtime.teaching import check_encoder
from res2clip_runtime.verdict import Verdict

__all__ = ["run"]

logger = logging.getLogger(__name__)


def run(
    stages: Stages,
    recipe: Recipe,
    frames: Iterable[Frame],
    *,
    sinks: Sequence[Sink] = (),
    limit: int | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[Verdict]:
    """Yield the verdict on each picture after every sink has taken it.

    Args:
        stages: the model.
        recipe: what is inspected, with the threshold to use.
        frames: the pictures, as a source gives them.
        sinks: take each verdict, in this order.
        limit: end after so many pictures.
        stop: asked after each picture; True ends the run.

    Raises:
        EncoderMismatchError: the recipe belongs to another encoder.
        SourceError: the source broke off.
        OutputError: a sink could not write.
    """
    check_encoder(stages, recipe)
    for frame in itertools.islice(frames, limit):
        verdict, picture = _inspect_frame(stages, recipe, frame)
        for sink in sinks:
            sink.write(verdict, picture)
        yield verdict
        if stop():
            return


def _inspect_frame(
    stages: Stages, recipe: Recipe, frame: Frame
) -> tuple[Verdict, PictureU8 | None]:
    """Return the verdict, ERROR if anything goes wrong, and the picture if it was decoded."""
    picture = None
    start = time.perf_counter_ns()
    try:
        picture = load_rgb(frame.image)
        read_ms = (time.perf_counter_ns() - start) / 1e6
        verdict = inspect(
            stages, picture, recipe, frame_id=frame.frame_id, captured_at=frame.captured_at
        )
    except Exception as err:  # whatever breaks on one picture, the next one is inspected
        if not isinstance(err, Res2ClipError):
            logger.exception("a defect of res2clip, please report it: %s", frame.frame_id)
        reason = str(err) or type(err).__name__
        verdict = error_verdict(frame.frame_id, recipe.product, reason)
        return dataclasses.replace(verdict, captured_at=frame.captured_at), picture
    latency_ms = {"read": read_ms, **verdict.latency_ms}
    return dataclasses.replace(verdict, latency_ms=latency_ms), picture
