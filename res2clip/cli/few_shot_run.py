"""Every category of a data set, few-shot: encode once, measure every draw, write the report."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from res2clip.cli.eval_models import Models
from res2clip.cli.eval_report import illustrate, write_few_shot_report
from res2clip.datasets import Category, find_categories, parse_prefix, read_few_shot_records
from res2clip.feature_source import FeatureSource, ScratchFeatures
from res2clip.few_shot import (
    Block,
    Cell,
    Draw,
    StagesDetector,
    draw_references,
    make_blocks,
    measure_cells,
)
from res2clip.report import CategoryResult
from res2clip.report.model_facts import ModelFacts
from res2clip_runtime.errors import InputError

__all__ = ["FewShotRequest", "FewShotResult", "run_few_shot"]

_SHOTS = "1,2,4,8"

StepProgress = Callable[[str, int, int], None]
"""Called with (what is being done, how much of it is done, how much there is; 0 if unknown)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FewShotRequest:
    """What is measured."""

    data: Path
    """``--data``."""
    shots: str | None = None
    """``--shots``: numbers with commas; None: 1,2,4,8, or as many as the records name."""
    draws: int = 3
    """``--draws``."""
    seed: int = 0
    """``--seed``: of the first draw."""
    records: Path | None = None
    """``--records``: exact references; then there is one draw."""
    records_prefix: str | None = None
    """``--records-prefix``."""
    only: tuple[str, ...] = ()
    """``--category``; none: all."""
    limit: int | None = None
    """``--limit``: test pictures per class."""
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

    Every reference is chosen and checked before the first picture is encoded. Features of one
    category at a time lie in a temporary file.

    Raises:
        InputError: the data cannot be used, or there are fewer good pictures than shots.
        OutputError: the disk is full, or the report cannot be written.
    """
    categories = _categories(request)
    draws = _draws(categories, request)
    cells: list[Cell] = []
    shown: list[CategoryResult] = []
    for category in categories:
        with ScratchFeatures(next(iter(models.by_mode.values()))) as source:
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
    detectors = {mode: StagesDetector(stages, source) for mode, stages in models.by_mode.items()}
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


def _draws(
    categories: Sequence[Category], request: FewShotRequest
) -> Mapping[str, tuple[Draw, ...]]:
    if request.records is None:
        shots = _counts(request.shots or _SHOTS)
        seeds = range(request.seed, request.seed + request.draws)
        return {c.name: draw_references(c, shots, seeds) for c in categories}
    prefix = parse_prefix(request.records_prefix) if request.records_prefix else None
    listed = read_few_shot_records(request.records, root=_root(request.data), prefix=prefix)
    choose = partial(_recorded, listed, request.records)
    return {
        category.name: draw_references(
            category,
            _counts(request.shots) if request.shots else [len(listed.get(category.name, ()))],
            [0],
            choose=choose,
        )
        for category in categories
    }


def _recorded(
    listed: Mapping[str, tuple[Path, ...]], file: Path, category: Category, shots: int, _seed: int
) -> tuple[Path, ...]:
    references = listed.get(category.name, ())
    if not references:
        raise InputError(
            f"{file} names no references of {category.name}; add them, or choose the categories "
            "it has with --category"
        )
    if len(references) < shots:
        raise InputError(
            f"{file} names {len(references)} reference(s) of {category.name}, not {shots}; give "
            f"--shots {len(references)} or less"
        )
    return references[:shots]


def _root(data: Path) -> Path:
    return data.parent if data.is_file() else data


def _counts(text: str) -> tuple[int, ...]:
    try:
        counts = [int(part) for part in text.split(",")]
    except ValueError:
        counts = [0]
    if min(counts) < 1 or len(set(counts)) < len(counts):
        raise InputError(f"--shots is '{text}'; give different numbers above 0, such as 1,2,4,8")
    return tuple(counts)
