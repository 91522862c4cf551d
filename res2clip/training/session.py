"""A training run from beginning to end: data, cache, loop, validation, what comes out."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from lightning_fabric import Fabric

from res2clip.datasets import Category
from res2clip.encoding import FeaturesOf, encode_files
from res2clip.evaluation import choose_references
from res2clip.feature_cache import FeatureCache
from res2clip.heads import save_heads
from res2clip.model import Res2CLIP
from res2clip.training.card import card_of, config_of
from res2clip.training.curves import draw_losses
from res2clip.training.folder import RunFolder
from res2clip.training.log import Row, Table
from res2clip.training.loop import Trainer
from res2clip.training.objective import LOSSES
from res2clip.training.pairs import random_pairs
from res2clip.training.settings import TrainingSettings
from res2clip.training.validation import check_held_out
from res2clip.training.watch import Watch
from res2clip_runtime.storage import write_atomically

__all__ = ["Progress", "TrainingRequest", "pictures_of", "train_heads"]

Progress = Callable[[str, int, int], None]
"""Called with (what is being done, how much of it is done, how much there is)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRequest:
    """What to train on and where to put it."""

    categories: Sequence[Category]
    """Their test pictures are trained on."""
    held_out: Sequence[Category] = ()
    """Validated on after each epoch."""
    out: Path
    """Folder of the run."""
    cache: Path | None
    """Folder of the feature cache; None encodes a picture each time it is shown."""
    resume: bool = False
    """Go on with the run in ``out``, if there is one."""
    settings: TrainingSettings
    """The numbers."""


def train_heads(
    model: Res2CLIP,
    request: TrainingRequest,
    fabric: Fabric,
    *,
    progress: Progress = lambda *step: None,
) -> dict[str, Any]:
    """Train; write heads, config, card and picture of the losses; return the config.

    Args:
        model: the frozen backbone on ``fabric.device``.
        request: what and where.
        fabric: launched; every process calls this.
        progress: told how far it is.

    Raises:
        InputError: data, options or folder cannot be used.
        OutputError: something cannot be written.
    """
    settings, folder = request.settings, RunFolder(request.out)
    pairs = random_pairs(request.categories, settings.seed)
    check_held_out(request.held_out)
    folder.claim(resume=request.resume)
    fabric.barrier()  # nobody writes before everybody has looked
    watch: Watch | None = None
    with contextlib.ExitStack() as stack:
        features = _features(model, request, fabric, stack, progress)
        trainer = Trainer(model, pairs, settings, fabric=fabric, features=features, folder=folder)
        if request.resume:
            trainer.resume()
        if request.held_out and fabric.is_global_zero:
            watch = Watch(model, trainer, request.held_out, features=features, folder=folder)
        trainer.train(
            on_step=lambda step, losses: progress("training", step, trainer.steps),
            on_epoch=watch.after if watch else lambda epoch: None,
        )
    rows = Table.read(folder.losses)
    config = config_of(
        model,
        settings,
        request.categories,
        processes=fabric.world_size,
        losses=_last_means(rows),
        best=watch.best() if watch else None,
    )
    if fabric.is_global_zero:
        _write(folder, trainer, config, rows)
    fabric.barrier()
    return config


def pictures_of(request: TrainingRequest) -> tuple[Path, ...]:
    """Return every picture that a run looks at, each once."""
    trained = [s.path for category in request.categories for s in category.test]
    held_out = [s.path for category in request.held_out for s in category.test]
    taught = [p for c in request.held_out for p in choose_references(c, 1, request.settings.seed)]
    return tuple(dict.fromkeys([*trained, *held_out, *taught]))


def _features(
    model: Res2CLIP,
    request: TrainingRequest,
    fabric: Fabric,
    stack: contextlib.ExitStack,
    progress: Progress,
) -> FeaturesOf:
    """Return where features come from; with a cache, every process fills its share first."""
    if request.cache is None:
        return partial(encode_files, model)
    cache = stack.enter_context(FeatureCache.open(request.cache, model))
    own = pictures_of(request)[fabric.global_rank :: fabric.world_size]
    gigabytes = cache.bytes_of(len(cache.missing(own)) * fabric.world_size) / 1e9
    what = f"encoding into {request.cache} ({gigabytes:.2g} GB)"
    cache.fill(own, progress=lambda done, total: progress(what, done, total))
    fabric.barrier()  # the others' shares are needed, too
    return cache.features


def _last_means(rows: Sequence[Row]) -> dict[str, float]:
    """Return each loss's mean over the last epoch that trained it."""
    means = {}
    for name in LOSSES:
        epochs = [row["epoch"] for row in rows if row[name] is not None]
        values = [row[name] or 0.0 for row in rows if epochs and row["epoch"] == epochs[-1]]
        if values:
            means[name] = sum(values) / len(values)
    return means


def _write(
    folder: RunFolder, trainer: Trainer, config: Mapping[str, Any], rows: Sequence[Row]
) -> None:
    write_atomically(folder.config, (json.dumps(config, indent=2) + "\n").encode())
    write_atomically(folder.card, card_of(config).encode())
    write_atomically(folder.curves, draw_losses(rows).encode())
    save_heads(trainer.run.heads, folder.heads)  # last: where it is, the others are
