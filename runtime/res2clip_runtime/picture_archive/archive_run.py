"""A whole archive through a runner into one result; whatever ends it, the next run goes on."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from res2clip_runtime.errors import InputError
from res2clip_runtime.picture_archive.fingerprint import Fingerprint
from res2clip_runtime.picture_archive.parts_folder import PartsFolder
from res2clip_runtime.picture_archive.recipe_book import RecipeBook
from res2clip_runtime.picture_archive.result import count_decisions
from res2clip_runtime.picture_archive.shard import Advance, Runner
from res2clip_runtime.picture_archive.worklist import Worklist
from res2clip_runtime.spec import MethodSpec
from res2clip_runtime.teaching import check_recipe
from res2clip_runtime.verdict import Decision

__all__ = ["ArchiveSummary", "score_archive"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveSummary:
    """A scored archive in figures."""

    out: Path
    """The result."""
    decisions: Counter[tuple[str, str]]
    """Pictures by (product, decision)."""
    scored_now: int
    """Pictures this run scored; the rest were done already."""
    duplicates: int
    """Rows of the input that were left out because the picture was there already."""
    fingerprint: Fingerprint
    """What the result was made of."""

    def of(self, decision: Decision, product: str | None = None) -> int:
        """Return how many pictures had this decision, of one product or of all."""
        return sum(
            count
            for (name, value), count in self.decisions.items()
            if value == decision.value and product in (None, name)
        )

    def to_json(self) -> dict[str, Any]:
        """Return the figures as JSON values."""
        return {
            "out": str(self.out),
            "pictures": self.fingerprint.pictures,
            **{decision.value.lower(): self.of(decision) for decision in Decision},
            "products": {
                product: {d.value.lower(): self.of(d, product) for d in Decision}
                for product in sorted({name for name, _ in self.decisions})
            },
            "scored_now": self.scored_now,
            "duplicates": self.duplicates,
            "encoder_id": self.fingerprint.encoder_id,
            "score_id": self.fingerprint.score_id,
        }


def score_archive(
    worklist: Worklist,
    book: RecipeBook,
    runner: Runner,
    *,
    spec: MethodSpec,
    out: Path,
    shard_size: int,
    force: bool = False,
    advance: Advance = lambda count: None,
) -> ArchiveSummary:
    """Score every picture of the worklist once and write the result; return it in figures.

    Finished shards lie in ``<out>.parts`` until the result is whole. A run that was ended in any
    way is taken up by the next one with the same pictures, recipes, model and shard size.

    Args:
        worklist: the pictures.
        book: the recipes they are judged by.
        runner: scores the shards.
        spec: the model the runner opens.
        out: ``NAME.parquet``, or a folder that gets one Parquet file a shard.
        shard_size: pictures in a shard.
        force: begin anew, and replace an older result.
        advance: told how many more pictures are done.

    Raises:
        EncoderMismatchError: a recipe belongs to another encoder.
        InputError: there is the result or unfinished work of another run.
        OutputError: the disk is full or not writable; what is finished stays.
        BackendError: the model or a worker failed; what is finished stays.
    """
    if shard_size < 1:
        raise InputError(f"a shard holds 1 picture or more, not {shard_size} (--shard-size)")
    for recipe in book.recipes.values():
        check_recipe(spec, recipe)
    fingerprint = Fingerprint(
        pictures=worklist.count,
        inputs_sha256=worklist.sha256,
        recipes=book.sha256,
        encoder_id=spec.encoder_id,
        score_id=spec.score_id,
        shard_size=shard_size,
    )
    with PartsFolder(out, fingerprint, force=force) as parts:
        scored_now = _score_missing(parts, worklist, runner, advance)
        parts.finish()
    return ArchiveSummary(
        out=out,
        decisions=count_decisions(out),
        scored_now=scored_now,
        duplicates=worklist.duplicates,
        fingerprint=fingerprint,
    )


def _score_missing(parts: PartsFolder, worklist: Worklist, runner: Runner, advance: Advance) -> int:
    missing = parts.missing()
    size = parts.fingerprint.shard_size
    todo = sum(min(size, worklist.count - number * size) for number in missing)
    advance(worklist.count - todo)
    if missing:
        with closing(runner(worklist.shards(missing, size=size), advance)) as results:
            for number, table in results:
                parts.write(number, table)
    return todo
