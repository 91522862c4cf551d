"""Pictures from a source through the model into the sinks, one after the other.

Fail-safe: a picture that cannot be inspected gets the verdict ERROR and the run goes on; a result
that cannot be written ends it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence

from res2clip_runtime.frame_inspection import inspect_frame
from res2clip_runtime.recipe import Recipe
from res2clip_runtime.sinks import Sink
from res2clip_runtime.sources import Frame
from res2clip_runtime.stages import Stages
from res2clip_runtime.teaching import check_encoder
from res2clip_runtime.verdict import Verdict

__all__ = ["run"]


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
        done = inspect_frame(stages, recipe, frame)
        for sink in sinks:
            sink.write(done.verdict, done.picture)
        yield done.verdict
        if stop():
            return
