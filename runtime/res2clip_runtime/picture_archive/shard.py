"""A shard: the piece of an archive that is scored and stored as one, whole or not at all."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import TypeAlias

import pyarrow as pa

from res2clip_runtime.picture_archive.table import verdict_row, verdict_table
from res2clip_runtime.recipe import Recipe
from res2clip_runtime.run import run
from res2clip_runtime.sources.frame import Frame
from res2clip_runtime.stages import Stages
from res2clip_runtime.storage import printable_name

__all__ = [
    "Advance",
    "Item",
    "OpenModel",
    "Results",
    "Runner",
    "Shard",
    "score_here",
    "score_shard",
]


@dataclass(frozen=True, slots=True)
class Item:
    """One picture to score."""

    path: str
    """As the user named it; this is what the result shows."""
    file: str
    """Absolute path of the file."""
    product: str
    """Which recipe judges it."""


@dataclass(frozen=True, slots=True)
class Shard:
    """Pictures that follow each other in the worklist."""

    index: int
    """Its place among the shards, from 0."""
    items: tuple[Item, ...]
    """Its pictures, in order."""


OpenModel: TypeAlias = Callable[[], Stages]
"""Opens the model; it is called once in each process that scores, so it must be picklable there."""
Advance: TypeAlias = Callable[[int], None]
"""Told how many more pictures are scored."""
Results: TypeAlias = Generator[tuple[int, pa.Table], None, None]
"""(index, result) of shards; closing it stops the work."""
Runner: TypeAlias = Callable[[Iterator[Shard], Advance], Results]
"""Scores shards, and yields (index, result) of each exactly once, in any order."""


def score_here(
    open_model: OpenModel,
    recipes: Mapping[str, Recipe],
    shards: Iterator[Shard],
    advance: Advance,
) -> Results:
    """Yield the shards' results, scored one after the other in this process."""
    stages = None
    for shard in shards:
        stages = stages or open_model()
        yield shard.index, score_shard(stages, recipes, shard, advance)


def score_shard(
    stages: Stages,
    recipes: Mapping[str, Recipe],
    shard: Shard,
    advance: Advance = lambda count: None,
) -> pa.Table:
    """Return the verdicts on a shard's pictures as a table (see :mod:`.table`), in order.

    A picture that cannot be inspected has the decision ERROR and the reason.
    """
    rows = []
    for product, items in itertools.groupby(shard.items, key=attrgetter("product")):
        for verdict in run(stages, recipes[product], _frames(items)):
            rows.append(verdict_row(verdict))
            advance(1)
    return verdict_table(rows)


def _frames(items: Iterable[Item]) -> Iterator[Frame]:
    for item in items:
        yield Frame(frame_id=printable_name(item.path), image=Path(item.file), captured_at="")
