"""The training loop of the mini."""

from __future__ import annotations

import csv
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from res2clip.mini.checkpoint import Run
from res2clip.mini.drawn_products import DrawnBank, drawn_episodes
from res2clip.mini.episode import VIEWS, Episodes, join_episodes, photo_episodes
from res2clip.mini.learner import Learner, RunningMean, optimisers, whitening_filters
from res2clip.mini.objective import normalised, step_losses
from res2clip.mini.packaging import save_towers
from res2clip.mini.photos import PhotoBank
from res2clip.mini.prompts import Prompts
from res2clip.mini.settings import TrainingSettings
from res2clip.mini.teacher import Teacher
from res2clip.mini.validation import ValidationFigures, validate

__all__ = ["Sources", "start_run", "train"]

_VALIDATION_SEED = 20_000_003
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What episodes are made from."""

    photos: PhotoBank
    """Photos for training."""
    held_out_photos: PhotoBank | None = None
    """Photos for validation."""
    drawn: DrawnBank = ()
    """Drawn products for training."""
    held_out_drawn: DrawnBank = ()
    """Drawn products for validation."""


def start_run(settings: TrainingSettings, photos: PhotoBank) -> Run:
    """Return a run at step 0; equal seeds give equal weights."""
    torch.manual_seed(settings.seed)
    learner = Learner()
    rng = np.random.default_rng([settings.seed, 0])
    crops = torch.from_numpy(np.stack([photos.crop(rng, 128) for _ in range(128)]))
    crops = crops.permute(0, 3, 1, 2).float() / 255
    filters = whitening_filters(normalised(crops), learner.visual.config.patch_size)
    learner.visual.conv1.weight.data.copy_(filters)
    teacher = Teacher()
    teacher.centre(crops)
    return Run(
        learner,
        RunningMean(learner, settings.ema),
        teacher,
        optimisers(learner, matrix_lr=settings.matrix_lr, other_lr=settings.other_lr),
    )


def train(
    run: Run,
    settings: TrainingSettings,
    sources: Sources,
    *,
    out: Path,
    threads: int = 2,
    checkpoint_every: int = 50,
    validate_every: int = 250,
    on_step: Callable[[int, float, ValidationFigures | None], None] | None = None,
) -> None:
    """Train ``run`` up to ``settings.steps``; writes checkpoint, curve and packaged weights.

    Args:
        run: where to start; it is changed.
        settings: of the run.
        sources: of episodes.
        out: directory for ``run.pt``, ``losses.csv``, ``validation.csv`` and ``mini.safetensors``.
        threads: parts of a step that are worked on at a time.
        checkpoint_every: steps between checkpoints.
        validate_every: steps between validations.
        on_step: called after each step with its number, total loss and the latest validation.
    """
    out.mkdir(parents=True, exist_ok=True)
    prompts = Prompts.of_the_method()
    held_out = _validation_episodes(sources, settings)
    figures: ValidationFigures | None = None
    with ThreadPoolExecutor(threads) as workers:
        while run.step < settings.steps:
            losses = _one_step(run, settings, sources, prompts, workers)
            run.step += 1
            _append(out / "losses.csv", {"step": run.step, **losses})
            last = run.step == settings.steps
            if held_out and (run.step % validate_every == 0 or last):
                figures = validate(run.mean.learner, held_out, prompts)
                _append(out / "validation.csv", {"step": run.step, **asdict(figures)})
            if run.step % checkpoint_every == 0 or last:
                run.save(out / "run.pt")
                weights = out / "mini.safetensors"
                save_towers(run.mean.learner, weights, steps=run.step, seed=settings.seed)
            if on_step:
                on_step(run.step, losses["total"], figures)


def _one_step(
    run: Run,
    settings: TrainingSettings,
    sources: Sources,
    prompts: Prompts,
    workers: ThreadPoolExecutor,
) -> dict[str, float]:
    rate = settings.rate(run.step)
    for optimiser, peak in zip(
        run.optimisers, (settings.matrix_lr, settings.other_lr), strict=True
    ):
        for group in optimiser.param_groups:
            group["lr"] = peak * rate
    parts = settings.parts_per_step
    work = [partial(_part, run, settings, sources, prompts, part) for part in range(parts)]
    results = list(workers.map(lambda task: task(), work))
    for parameter, *gradients in zip(
        run.learner.parameters(), *(r[1] for r in results), strict=True
    ):
        parameter.grad = torch.stack(gradients).mean(0)
    torch.nn.utils.clip_grad_norm_(run.learner.parameters(), 1.0)
    for optimiser in run.optimisers:
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
    run.mean.update(run.learner, run.step)
    names = results[0][0]
    return {name: sum(r[0][name] for r in results) / parts for name in names}


def _part(
    run: Run, settings: TrainingSettings, sources: Sources, prompts: Prompts, part: int
) -> tuple[dict[str, float], tuple[Tensor, ...]]:
    """Return losses and gradients of one part of a step; runs in a thread of its own.

    Two threads that meet once a step bear a busy machine better than kernels that are split in two
    and wait for each other a thousand times.
    """
    torch.set_num_threads(1)
    episodes = _episodes(run.step, part, settings, sources)
    rng = torch.Generator().manual_seed(settings.seed * 1_000_003 + run.step * 64 + part)
    losses = step_losses(
        run.learner, run.teacher, episodes, prompts, weights=settings.weights(run.step), rng=rng
    )
    parameters = list(run.learner.parameters())
    gradients = torch.autograd.grad(losses["total"], parameters, materialize_grads=True)
    return {name: float(loss.detach()) for name, loss in losses.items()}, gradients


def _episodes(step: int, part: int, settings: TrainingSettings, sources: Sources) -> Episodes:
    """Return the episodes of a part of a step; they depend on the seed, step and part alone."""
    rng = np.random.default_rng([settings.seed, 1 + step, part])
    size_px = int(rng.choice(settings.sizes(step)))
    count = max(1, settings.patches_per_part // VIEWS // (size_px // 8) ** 2)
    drawn = (
        int(rng.binomial(count, settings.drawn_share)) if step >= settings.drawn_from_step else 0
    )
    drawn = drawn if sources.drawn else 0
    parts = []
    if drawn:
        parts.append(drawn_episodes(sources.drawn, drawn, size_px=size_px, patch_px=8, rng=rng))
    if count > drawn:
        parts.append(
            photo_episodes(sources.photos, count - drawn, size_px=size_px, patch_px=8, rng=rng)
        )
    return join_episodes(parts)


def _validation_episodes(sources: Sources, settings: TrainingSettings) -> Episodes | None:
    rng = np.random.default_rng(_VALIDATION_SEED)
    size_px = max(settings.late_sizes_px)
    parts = []
    if sources.held_out_photos:
        parts.append(
            photo_episodes(sources.held_out_photos, 12, size_px=size_px, patch_px=8, rng=rng)
        )
    if sources.held_out_drawn:
        parts.append(
            drawn_episodes(sources.held_out_drawn, 12, size_px=size_px, patch_px=8, rng=rng)
        )
    return join_episodes(parts) if parts else None


def _append(file: Path, row: dict[str, float]) -> None:
    new = not file.exists()
    with file.open("a", newline="") as handle:
        writer = csv.DictWriter(handle, list(row))
        if new:
            writer.writeheader()
        writer.writerow({k: v if isinstance(v, int) else f"{v:.5f}" for k, v in row.items()})
