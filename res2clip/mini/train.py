"""``python -m res2clip.mini.train``: make ``mini.safetensors`` from scratch or go on with it."""

from __future__ import annotations

import argparse
import logging
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn, track

from res2clip.drawing import FAMILIES
from res2clip.mini.architecture import WEIGHTS_FILE
from res2clip.mini.drawn_products import draw_products, load_products
from res2clip.mini.photos import fetch_photos, load_photos
from res2clip.mini.settings import TrainingSettings
from res2clip.mini.training import Sources, start_run, train
from res2clip.mini.validation import ValidationFigures
from res2clip_runtime.errors import Res2ClipError

_PER_FAMILY = 16
_HELD_OUT = range(1, 2)
"""Numbers of the drawn products that are kept for validation."""

_COLUMNS = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(1)  # one per part of a step; see training.py
    try:
        _train(options)
    except Res2ClipError as err:
        sys.stderr.write(f"error: {err}\n")
        return 1
    return 0


def _train(options: argparse.Namespace) -> None:
    settings = TrainingSettings()
    if options.steps is not None:
        settings = replace(settings, steps=options.steps)
    if options.seed is not None:
        settings = replace(settings, seed=options.seed)
    sources = _sources(options)
    run = start_run(settings, sources.photos)
    checkpoint = options.out / "run.pt"
    if checkpoint.exists():
        run.load(checkpoint)
        logging.getLogger(__name__).info("going on with %s at step %d", checkpoint, run.step)
    with Progress(*_COLUMNS, console=Console(stderr=True)) as progress:
        bar = progress.add_task("training", total=settings.steps, completed=run.step)

        def show(step: int, loss: float, figures: ValidationFigures | None) -> None:
            held_out = f", held out {figures.visual:.3f}" if figures else ""
            text = f"step {step}, loss {loss:.3f}{held_out}"
            progress.update(bar, completed=step, description=text)

        train(run, settings, sources, out=options.out, threads=options.threads, on_step=show)
    if options.package:
        shutil.copyfile(options.out / "mini.safetensors", WEIGHTS_FILE)


def _sources(options: argparse.Namespace) -> Sources:
    photos = options.photos or fetch_photos(options.out / "photos")
    drawn = options.drawn or options.out / "drawn"
    if options.per_family:
        names = draw_products(drawn, per_family=options.per_family)
        total = options.per_family * len(FAMILIES)
        for _ in track(names, "drawing products", total, console=Console(stderr=True)):
            pass
    return Sources(
        photos=load_photos(photos),
        held_out_photos=load_photos(photos, held_out=True),
        drawn=load_products(drawn, numbers=range(_HELD_OUT.stop, 10**6)),
        held_out_drawn=load_products(drawn, numbers=_HELD_OUT),
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m res2clip.mini.train", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="directory of the run")
    parser.add_argument("--photos", type=Path, help="pictures to use; default: Debian's wallpapers")
    parser.add_argument("--drawn", type=Path, help="cache of drawn products; default: OUT/drawn")
    parser.add_argument(
        "--per-family", type=int, default=_PER_FAMILY, help="drawn products of a family; 0: as is"
    )
    parser.add_argument("--steps", type=int, help="optimiser steps")
    parser.add_argument("--seed", type=int, help="seed of everything random")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads")
    parser.add_argument("--package", action="store_true", help="install the weights when done")
    return parser


if __name__ == "__main__":
    sys.exit(main())
