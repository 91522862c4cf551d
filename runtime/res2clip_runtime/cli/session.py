"""One inspection run from the command line, from files to exit code."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import typer

from res2clip_runtime.backends import EngineOptions
from res2clip_runtime.cli.bundle_choice import choose_bundle
from res2clip_runtime.cli.engine_progress import with_engines
from res2clip_runtime.cli.group import warn
from res2clip_runtime.cli.progress import ProgressBar, progress_bar
from res2clip_runtime.cli.stop_signal import stop_requested
from res2clip_runtime.cli.verdict_text import summary_text, verdict_line
from res2clip_runtime.inspector import Inspector
from res2clip_runtime.recipe import Recipe
from res2clip_runtime.run import run
from res2clip_runtime.sinks import JsonlFile, PictureFolder, Sink
from res2clip_runtime.sources import CameraSettings, Source, open_source
from res2clip_runtime.stages import Stages
from res2clip_runtime.tally import Tally
from res2clip_runtime.threshold_choice import threshold_doubts, with_given_thresholds
from res2clip_runtime.verdict import Decision, Verdict

__all__ = ["PicturesWanted", "RunRequest", "run_session"]


class PicturesWanted(str, Enum):
    """Values of ``--pictures``."""

    ALL = "all"
    NG = "ng"
    NONE = "none"


_DECISIONS = {
    PicturesWanted.ALL: tuple(Decision),
    PicturesWanted.NG: (Decision.NG, Decision.ERROR),
    PicturesWanted.NONE: (),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """The options of ``res2clip-run``."""

    recipe: Path
    """``--recipe``."""
    source: str
    """``--source`` or ``--camera``."""
    live: bool
    """Whether it is a camera or stream, not files."""
    trigger: str
    """``--trigger``."""
    deadline_ms: float
    """``--deadline-ms``."""
    bundle: Path | None
    """``--bundle``; None chooses the installed one."""
    backend: str
    """``--backend``."""
    threads: int | None
    """``--threads``."""
    options: EngineOptions
    """``--spin``, ``--arena``, ``--gpu-memory``, ``--compile-cache``."""
    threshold: float | None
    """``--threshold``."""
    pixel_threshold: float | None
    """``--pixel-threshold``."""
    out: Path | None
    """``--out``; None writes nothing."""
    pictures: PicturesWanted
    """``--pictures``."""
    as_json: bool
    """``--json``."""
    limit: int | None
    """``--limit``."""


def run_session(request: RunRequest) -> int:
    """Return the exit code of the run: 0, or 1 if a picture got no decision.

    Raises:
        Res2ClipError: the run could not begin or go on; the summary has been printed.
    """
    recipe = Recipe.load(request.recipe)
    with ExitStack() as stack:
        source = stack.enter_context(_open_source(request))
        bundle = choose_bundle(request.bundle, encoder_id=recipe.encoder_id)
        bundle = with_engines(bundle, request.backend)
        inspector = stack.enter_context(
            Inspector(
                bundle, backend=request.backend, threads=request.threads, options=request.options
            )
        )
        recipe = with_given_thresholds(
            recipe, inspector.spec, score=request.threshold, pixel=request.pixel_threshold
        )
        for doubt in threshold_doubts(recipe, inspector.spec.score_id):
            warn(doubt)
        sinks = [stack.enter_context(closing(sink)) for sink in _sinks(request)]
        tally = _inspect_all(request, inspector.stages, recipe, source, sinks)
    return 1 if tally.of(Decision.ERROR) else 0


def _inspect_all(
    request: RunRequest, stages: Stages, recipe: Recipe, source: Source, sinks: Sequence[Sink]
) -> Tally:
    total = min((n for n in (source.count, request.limit) if n is not None), default=None)
    tally = Tally()
    with stop_requested() as stop:
        try:
            with progress_bar(total) as bar:
                for verdict in run(
                    stages, recipe, source, sinks=sinks, limit=request.limit, stop=stop
                ):
                    tally.add(verdict)
                    _show(bar, verdict, tally, as_json=request.as_json)
        finally:
            if tally.frames:
                _print_summary(request, recipe, tally, stopped=stop())
    return tally


def _show(bar: ProgressBar, verdict: Verdict, tally: Tally, *, as_json: bool) -> None:
    if as_json:
        bar.line(json.dumps(verdict.to_json(), ensure_ascii=False, allow_nan=False))
    else:
        bar.line(verdict_line(verdict))
    bar.advance(f"{tally.of(Decision.NG)} NG  {tally.of(Decision.ERROR)} ERROR")


def _print_summary(request: RunRequest, recipe: Recipe, tally: Tally, *, stopped: bool) -> None:
    summary = tally.summary()
    if request.as_json:
        values = {"product": recipe.product, "stopped": stopped, **summary.to_json()}
        typer.echo(json.dumps({"summary": values}, ensure_ascii=False))
        return
    typer.echo(summary_text(summary, product=recipe.product, stopped=stopped))
    if request.out:
        typer.echo(f"results: {_results_path(request.out)}")
        if request.pictures is not PicturesWanted.NONE:
            typer.echo(f"pictures: {_pictures_path(request.out)}")


def _open_source(request: RunRequest) -> Source:
    return open_source(
        request.source,
        exclude=[request.out, _pictures_path(request.out)] if request.out else [],
        settings=CameraSettings(trigger=request.trigger),
    )


def _sinks(request: RunRequest) -> list[Sink]:
    if request.out is None:
        return []
    sinks: list[Sink] = [JsonlFile(_results_path(request.out))]
    if wanted := _DECISIONS[request.pictures]:
        sinks.append(PictureFolder(_pictures_path(request.out), decisions=wanted))
    return sinks


def _results_path(out: Path) -> Path:
    return out / "results.jsonl"


def _pictures_path(out: Path) -> Path:
    return out / "pictures"
