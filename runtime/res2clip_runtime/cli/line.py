"""``res2clip-run --config FILE``, and live cameras without one: the line as a service."""

from __future__ import annotations

import faulthandler
import json
import logging
import os
from contextlib import ExitStack
from dataclasses import dataclass

import typer

from res2clip_runtime.bundle import Bundle
from res2clip_runtime.cli.bundle_choice import choose_bundle
from res2clip_runtime.cli.doctor import checks_text
from res2clip_runtime.cli.engine_progress import with_engines
from res2clip_runtime.cli.line_log import log_lines
from res2clip_runtime.cli.stop_signal import stop_requested
from res2clip_runtime.cli.verdict_printer import VerdictPrinter
from res2clip_runtime.cli.verdict_text import summary_text
from res2clip_runtime.doctor import Check, Status
from res2clip_runtime.inspector import Inspector
from res2clip_runtime.recipe import Recipe
from res2clip_runtime.service.assembly import (
    attach_controls,
    build_line,
    check_triggers,
    first_recipes,
    open_sinks,
    recipe_book,
)
from res2clip_runtime.service.bundle_watch import BundleWatch
from res2clip_runtime.service.config import LineConfig
from res2clip_runtime.service.dry_run import check_cameras, check_outputs, check_recipes
from res2clip_runtime.service.housekeeping import keep_house
from res2clip_runtime.service.line import Line
from res2clip_runtime.service.notify import Notifier
from res2clip_runtime.service.recipe_book import RecipeBook
from res2clip_runtime.sinks.backoff import Backoff
from res2clip_runtime.sinks.worker import SinkWorker
from res2clip_runtime.tally import Tally
from res2clip_runtime.verdict import Decision

__all__ = ["dry_run", "run_line"]

logger = logging.getLogger(__name__)

_STDERR = 2


@dataclass(frozen=True, slots=True)
class _Outcome:
    """How a line ended."""

    errors: int
    product: str
    stopped: bool


def run_line(config: LineConfig, *, service: bool) -> int:
    """Return the exit code of a line that runs until it is stopped or its sources end.

    Args:
        config: what to run.
        service: events as lines for machines; otherwise for a person, with a summary at the end.

    Raises:
        Res2ClipError: the line could not begin.
    """
    if service and not faulthandler.is_enabled():
        # systemd's watchdog ends a hang with SIGABRT: the journal then says where it hung. By its
        # number, as it must still be there when Python's own objects are not.
        faulthandler.enable(_STDERR)
    form = config.line.log_format if service else None
    level = config.line.log_level if service else "warning"
    # A summary's percentiles need memory that grows with the pictures: only for a person's run.
    tally = None if service else Tally()
    with log_lines(form, level=level):
        outcome = _run(config, tally)
    if tally is not None and tally.frames:
        _print_summary(tally, outcome, as_json=config.line.print == "json")
    return 1 if outcome.errors and not outcome.stopped else 0


def dry_run(config: LineConfig) -> int:
    """Print whether everything the line needs works; return 0 if so, else 1.

    Raises:
        Res2ClipError: the model or a recipe cannot be used at all.
    """
    check_triggers(config)
    with ExitStack() as stack:
        loaded = first_recipes(config)
        bundle, inspector = _open_inspector(config, list(loaded.values()))
        stack.enter_context(inspector)
        book = recipe_book(config, inspector.stages, loaded)
        line = stack.enter_context(build_line(config, stages=inspector.stages, recipes=book))
        line.warm_up()
        checks = [
            Check(name="model", status=Status.OK, detail=f"{bundle.directory} answers"),
            *check_recipes(book, inspector),
            *check_cameras(config),
            *check_outputs(config, book.products),
        ]
    typer.echo(checks_text(checks))
    return 1 if any(check.status is Status.MISSING for check in checks) else 0


def _open_inspector(config: LineConfig, recipes: list[Recipe]) -> tuple[Bundle, Inspector]:
    """Return the bundle and its engine, built if need be.

    Raises:
        ArtefactNotFoundError, ArtefactError: the bundle is missing or damaged.
        BackendError: the engine refused.
    """
    encoder_id = recipes[0].encoder_id if recipes else None
    bundle = choose_bundle(config.model.bundle, encoder_id=encoder_id)
    bundle = with_engines(bundle, config.model.backend)
    model = config.model
    inspector = Inspector(
        bundle, backend=model.backend, threads=model.threads, options=model.options
    )
    return bundle, inspector


def _run(config: LineConfig, tally: Tally | None) -> _Outcome:
    check_triggers(config)
    with ExitStack() as stack:
        stop = stack.enter_context(stop_requested())
        notifier = stack.enter_context(Notifier(os.environ))
        notifier.status("loading the model")
        loaded = first_recipes(config)
        bundle, inspector = _open_inspector(config, list(loaded.values()))
        stack.enter_context(inspector)
        recipes = recipe_book(config, inspector.stages, loaded)
        for doubt in recipes.doubts():
            logger.warning("%s", doubt)
        line = stack.enter_context(_open_line(config, inspector, recipes))
        if tally is not None:
            line.add_listener(tally.add)
        attach_controls(config, line, stack)
        notifier.status("warming up")
        line.warm_up()
        line.start(wait_for_cameras=config.line.wait_for_cameras)
        notifier.ready()
        products = ", ".join(line.products) or "nothing taught yet"
        logger.info("line %s: started, %s", config.line.name, products)
        keep_house(
            line, notifier=notifier, bundle=BundleWatch(bundle), stop=stop, reload=recipes.reload
        )
        notifier.stopping()
        stopped = stop()
        logger.info("line %s: %s", config.line.name, "stopping" if stopped else "finished")
        line.close()
        errors = line.health().decisions[Decision.ERROR.value]
        return _Outcome(errors, recipes.product, stopped)


def _open_line(config: LineConfig, inspector: Inspector, recipes: RecipeBook) -> Line:
    sinks = open_sinks(config)
    if config.line.print != "none":
        # One attempt: a reader that has gone never comes back.
        printer = VerdictPrinter(config.line.print)
        once = Backoff(attempts=1)
        sinks.append(SinkWorker(printer, name="stdout", pictures=False, backoff=once))
    return build_line(config, stages=inspector.stages, recipes=recipes, sinks=sinks)


def _print_summary(tally: Tally, outcome: _Outcome, *, as_json: bool) -> None:
    summary = tally.summary()
    if as_json:
        values = {"product": outcome.product, "stopped": outcome.stopped, **summary.to_json()}
        typer.echo(json.dumps({"summary": values}, ensure_ascii=False))
        return
    typer.echo(summary_text(summary, product=outcome.product, stopped=outcome.stopped))
