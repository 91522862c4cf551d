"""One archive from the command line, from options to exit code."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console

from res2clip.cli.scoring_model import ModelRequest, ScoringModel, choose_model
from res2clip_runtime.cli.group import warn
from res2clip_runtime.cli.progress import progress_bar
from res2clip_runtime.verdict import Decision

if TYPE_CHECKING:
    from res2clip_runtime.picture_archive import ArchiveSummary, RecipeBook, Runner, Worklist

__all__ = ["ScoreRequest", "run_scoring"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreRequest:
    """The options of ``score``, checked."""

    pictures: tuple[str, ...]
    """Folders, globs and lists, as typed."""
    recipes: tuple[Path, ...]
    """``--recipe``, one or more."""
    out: Path
    """``--out``."""
    model: ModelRequest
    """Which model."""
    shard_size: int
    """``--shard-size``."""
    workers: int | None
    """``--workers``."""
    ray: bool
    """``--ray``."""
    ray_address: str | None
    """``--ray-address``."""
    force: bool
    """``--force``."""
    as_json: bool
    """``--json``."""

    def __post_init__(self) -> None:
        """Refuse combinations that mean nothing (exit code 2)."""
        if self.ray_address is not None and not self.ray:
            raise typer.BadParameter("--ray-address needs --ray")

    @property
    def threads(self) -> int | None:
        """CPU threads of one worker; None: all cores."""
        if self.model.threads is not None:
            return self.model.threads
        if self.ray:
            return 1
        return None if self.workers in (None, 1) else max(1, (os.cpu_count() or 1) // self.workers)


def run_scoring(request: ScoreRequest) -> int:
    """Return the exit code: 0, 1 if a picture got no decision, 130 after Ctrl-C.

    Raises:
        Res2ClipError: the run could not begin or go on; what is finished stays.
    """
    from res2clip_runtime.picture_archive import RecipeBook, Worklist
    from res2clip_runtime.picture_archive.listing import list_pictures

    book = RecipeBook.load(request.recipes)
    chosen = dataclasses.replace(request.model, threads=request.threads)
    model = choose_model(chosen, encoder_id=next(iter(book.recipes.values())).encoder_id)
    _warn_of_thresholds(book, model.spec.score_id)
    listed = itertools.chain.from_iterable(map(list_pictures, request.pictures))
    with Console(stderr=True).status("listing the pictures"):
        worklist = Worklist(listed, book.product_of)
    with worklist:
        try:
            summary = _score(request, model, book, worklist)
        except KeyboardInterrupt:
            typer.echo("stopped; the same command goes on where it was", err=True)
            return 130
    typer.echo(json.dumps(summary.to_json()) if request.as_json else _text(summary))
    return 1 if summary.of(Decision.ERROR) else 0


def _score(
    request: ScoreRequest, model: ScoringModel, book: RecipeBook, worklist: Worklist
) -> ArchiveSummary:
    from res2clip_runtime.picture_archive import score_archive

    with progress_bar(worklist.count) as bar:
        return score_archive(
            worklist,
            book,
            _runner(request, model, book),
            spec=model.spec,
            out=request.out,
            shard_size=request.shard_size,
            force=request.force,
            advance=lambda count: bar.advance(count=count),
        )


def _runner(request: ScoreRequest, model: ScoringModel, book: RecipeBook) -> Runner:
    if request.ray:
        from res2clip_runtime.picture_archive.cluster import score_on_cluster

        return partial(
            score_on_cluster,
            model.open,
            book.recipes,
            address=request.ray_address,
            workers=request.workers,
            cpus=request.threads or 1,
            gpus=model.gpus,
        )
    if request.workers in (None, 1):
        from res2clip_runtime.picture_archive import score_here

        return partial(score_here, model.open, book.recipes)
    from res2clip_runtime.picture_archive.processes import score_in_processes

    return partial(score_in_processes, model.open, book.recipes, workers=request.workers)


def _warn_of_thresholds(book: RecipeBook, score_id: str) -> None:
    for product, recipe in book.recipes.items():
        if score_id not in recipe.thresholds:
            warn(
                f"the recipe of '{product}' holds no threshold for this model, so every verdict "
                "will be ERROR; only the scores are of use"
            )


def _text(summary: ArchiveSummary) -> str:
    figures = summary.to_json()
    lines = [
        f"{name or 'all':<20}{counts['ok']:>10} OK{counts['ng']:>10} NG{counts['error']:>10} ERROR"
        for name, counts in (*figures["products"].items(), ("", figures))
    ]
    before = summary.fingerprint.pictures - summary.scored_now
    notes = [f"{before} were scored by an earlier run"] if before else []
    if summary.duplicates:
        notes.append(f"{summary.duplicates} were listed twice and scored once")
    return "\n".join([*lines, *notes, f"result: {summary.out}"])
