"""Every category of a data set, few-shot: encode once, measure every draw, write the report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from res2clip.cli.eval_draws import DrawRequest, draws_of
from res2clip.cli.eval_models import Models
from res2clip.cli.eval_report import illustrate, write_few_shot_report
from res2clip.datasets import Category, find_categories
from res2clip.feature_cache import FeatureCache
from res2clip.feature_source import FeatureSource, ScratchFeatures
from res2clip.few_shot import (
    Block,
    Cell,
    Draw,
    StagesDetector,
    make_blocks,
    measure_cells,
)
from res2clip.report import CategoryResult
from res2clip.report.model_facts import ModelFacts
from res2clip_runtime.errors import InputError

__all__ = ["FewShotRequest", "FewShotResult", "run_few_shot"]

StepProgress = Callable[[str, int, int], None]
"""Called with (what is being done, how much of it is done, how much there is; 0 if unknown)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FewShotRequest:
    """What is measured."""

    data: Path
    """``--data``."""
    draws: DrawRequest
    """Which good pictures."""
    only: tuple[str, ...] = ()
    """``--category``; none: all."""
    limit: int | None = None
    """``--limit``: test pictures per class."""
    cache: Path | None = None
    """``--cache``: folder that keeps the features."""
    report: Path | None = None
    """``--report``: HTML file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FewShotResult:
    """What came out."""

    facts: ModelFacts
    """The model."""
    cells: tuple[Cell, ...]
    """Figures of each draw."""
    blocks: tuple[Block, ...]
    """Their means and spreads, a table each."""
    report: Path | None
    """The HTML file, if one was wanted."""


def run_few_shot(
    models: Models, request: FewShotRequest, *, progress: StepProgress = lambda *step: None
) -> FewShotResult:
    """Return the figures; the report, if wanted, is written.

    Every reference is chosen and checked before the first picture is encoded. Without a cache,
    features of one category at a time lie in a temporary file.

    Raises:
        InputError: the data cannot be used, or there are fewer good pictures than shots.
        OutputError: the disk is full, or the report cannot be written.
    """
    categories = _categories(request)
    draws = draws_of(categories, request.draws, data=request.data)
    cells: list[Cell] = []
    shown: list[CategoryResult] = []
    for category in categories:
        with _open_source(models, request.cache) as source:
            cells += _measure(models, category, draws[category.name], source, progress)
            if request.report:
                progress(f"drawing {category.name}", 0, 0)
                chosen = _shown(draws[category.name])
                shown.append(illustrate(models, category, chosen, source, request.report))
    blocks = make_blocks(cells)
    if request.report:
        write_few_shot_report(models, blocks, shown, request.report)
    return FewShotResult(
        facts=models.facts, cells=tuple(cells), blocks=blocks, report=request.report
    )


def _open_source(models: Models, cache: Path | None) -> ScratchFeatures | FeatureCache:
    stages = next(iter(models.by_mode.values()))
    if cache is None:
        return ScratchFeatures(stages)
    if models.bundle:
        raise InputError(
            "a feature cache holds what the PyTorch encoder says, and a bundle is judged by its "
            "own; leave --cache out"
        )
    return FeatureCache.open(cache, stages)


def _measure(
    models: Models,
    category: Category,
    draws: Sequence[Draw],
    source: FeatureSource,
    progress: StepProgress,
) -> tuple[Cell, ...]:
    tests = [sample.path for sample in category.test]
    needed = dict.fromkeys([*(path for draw in draws for path in draw.references), *tests])
    source.fill(list(needed), progress=partial(progress, f"encoding {category.name}"))
    detectors = {
        mode: StagesDetector(stages, source.features) for mode, stages in models.by_mode.items()
    }
    return measure_cells(
        detectors, category, draws, progress=partial(progress, f"inspecting {category.name}")
    )


def _shown(draws: Sequence[Draw]) -> Draw:
    """Return the first draw with the most shots: two or more give a threshold."""
    return max(draws, key=lambda draw: draw.shots)


def _categories(request: FewShotRequest) -> tuple[Category, ...]:
    found = find_categories(request.data)
    names = [category.name for category in found]
    if unknown := [name for name in request.only if name not in names]:
        raise InputError(
            f"{request.data} holds no category '{unknown[0]}' (--category); there are: "
            f"{', '.join(names)}"
        )
    chosen = [category for category in found if not request.only or category.name in request.only]
    if request.limit is not None:
        chosen = [category.limited(request.limit) for category in chosen]
    for category in chosen:
        if not category.test:
            raise InputError(
                f"{category.name} holds no test pictures; leave it out: name the others with "
                "--category"
            )
    return tuple(chosen)
