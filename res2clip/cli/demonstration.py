"""The whole way on known pictures: draw or find them, teach, export, inspect, report."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from res2clip.cli.demo_folder import DemoFolder
from res2clip.datasets import Category, find_categories
from res2clip.drawing import DatasetPlan, Product, write_mvtec
from res2clip.evaluation import choose_references, evaluate
from res2clip.model import Res2CLIP
from res2clip.report import CategoryResult, Report, write_report
from res2clip_export import export_bundle
from res2clip_runtime.bundle import Bundle
from res2clip_runtime.errors import ArtefactError, ArtefactNotFoundError, InputError, Res2ClipError
from res2clip_runtime.inspection import utc_now
from res2clip_runtime.inspector import Inspector
from res2clip_runtime.preprocess import load_rgb
from res2clip_runtime.sinks import JsonlFile, PictureFolder
from res2clip_runtime.teaching import Taught, teach

__all__ = ["DemoRequest", "Demonstration", "StepProgress", "demonstrate"]

PRODUCT = Product("flange")
PLAN = DatasetPlan(train=8, good=16, defect=5)
"""What is drawn; the folder with the pictures is used again as long as this stays the same."""
_PROOF_REFERENCES, _PROOF_TESTS = 2, 3
"""Pictures that the export is compared on; the time it takes grows with their square."""

StepProgress = Callable[[str, int, int], None]
"""Called with (what is being done, how much of it is done, how much there is; 0 if unknown)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoRequest:
    """The options of ``res2clip demo``."""

    out: Path
    """``--out``: everything is written below it."""
    data: Path | None = None
    """``--data``: category folders; None draws a product."""
    shots: int = 4
    """``--shots``: good pictures to teach from."""
    seed: int = 0
    """``--seed``: chooses them."""
    limit: int | None = None
    """``--limit``: test pictures per class; None takes all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Demonstration:
    """What came out, and where it lies."""

    folder: DemoFolder
    """Where."""
    report: Report
    """The results; they are in ``folder.report`` too."""
    seconds: float
    """Wall time of it all."""


def demonstrate(
    model: Res2CLIP, request: DemoRequest, *, progress: StepProgress = lambda *step: None
) -> Demonstration:
    """Return the results of teaching, exporting and inspecting; everything lies in ``request.out``.

    The model only teaches and is exported; the pictures are inspected by the bundle on ONNX
    Runtime. Drawn pictures and the bundle are used again by the next call, results are replaced.

    Raises:
        InputError: the folder holds something else, or the data cannot be used.
        ParityError: the exported model does not answer like PyTorch.
        OutputError: something could not be written.
    """
    start = time.perf_counter()
    folder = DemoFolder(request.out)
    folder.claim(_options(model, request))
    categories = _categories(folder, request, progress)
    chosen = [choose_references(c, request.shots, request.seed) for c in categories]
    taught = [_teach(model, *pair, progress) for pair in zip(categories, chosen, strict=True)]
    bundle = _bundle(model, folder.bundle, _proof(categories[0], chosen[0]), progress)
    folder.clear_results()
    report = Report(
        title=_title(categories),
        created=utc_now(),
        bundle=bundle,
        categories=_inspect(bundle, folder, list(zip(categories, taught, strict=True)), progress),
    )
    progress("writing the report", 0, 0)
    write_report(report, folder.report)
    return Demonstration(folder=folder, report=report, seconds=time.perf_counter() - start)


def _options(model: Res2CLIP, request: DemoRequest) -> dict[str, str | int | None]:
    return {
        "backbone": model.backbone.name,
        "encoder_id": model.spec.encoder_id,
        "data": None if request.data is None else str(request.data),
        "shots": request.shots,
        "seed": request.seed,
        "limit": request.limit,
    }


def _title(categories: Sequence[Category]) -> str:
    names = [category.name for category in categories]
    return f"res2clip demo: {', '.join(names[:4])}{' …' if len(names) > 4 else ''}"


def _categories(
    folder: DemoFolder, request: DemoRequest, progress: StepProgress
) -> tuple[Category, ...]:
    data = request.data
    if data is None:
        total, what = PLAN.count(PRODUCT), f"drawing {PRODUCT.name}"
        data = write_mvtec(
            folder.data, PRODUCT, PLAN, progress=lambda done: progress(what, done, total)
        )
    found = find_categories(data)
    if len({folder.recipe_of(category.name) for category in found}) < len(found):
        names = ", ".join(category.name for category in found)
        raise InputError(f"category names differ only in special characters, rename one: {names}")
    if request.limit is not None:
        found = tuple(category.limited(request.limit) for category in found)
    if not any(category.test for category in found):
        raise InputError(f"{data} holds no test pictures; put some into test/good or test/DEFECT")
    return found


def _teach(
    model: Res2CLIP, category: Category, references: Sequence[Path], progress: StepProgress
) -> Taught:
    what = f"teaching {category.name}"
    return teach(
        model,
        references,
        product=category.name,
        progress=lambda done, total: progress(what, done, total),
    )


def _proof(category: Category, references: Sequence[Path]) -> list[Path]:
    """Return pictures for the comparison; a test picture that is damaged is left to its verdict."""
    tests = (sample.path for sample in reversed(category.test))
    readable = itertools.islice(filter(_is_readable, tests), _PROOF_TESTS)
    return [*references[:_PROOF_REFERENCES], *readable]


def _is_readable(path: Path) -> bool:
    try:
        load_rgb(path)
    except Res2ClipError:
        return False
    return True


def _bundle(
    model: Res2CLIP, directory: Path, pictures: Sequence[Path], progress: StepProgress
) -> Bundle:
    """Return the bundle of this very model, exported unless it is there already, unchanged."""
    try:
        bundle = Bundle.load(directory)
    except (ArtefactError, ArtefactNotFoundError):
        bundle = None
    if bundle is not None and bundle.manifest.method == model.spec:
        return bundle
    enough = pictures if len(pictures) >= 4 else ()
    return export_bundle(
        model, directory, pictures=enough, progress=lambda what: progress(what, 0, 0)
    )


def _inspect(
    bundle: Bundle,
    folder: DemoFolder,
    taught: Sequence[tuple[Category, Taught]],
    progress: StepProgress,
) -> tuple[CategoryResult, ...]:
    """Return the results of all categories; verdicts, pictures and recipes are on the disk."""
    with Inspector(bundle) as inspector, closing(JsonlFile(folder.results)) as lines:
        return tuple(
            _inspect_one(inspector, folder, category, one, lines, progress)
            for category, one in taught
        )


def _inspect_one(
    inspector: Inspector,
    folder: DemoFolder,
    category: Category,
    taught: Taught,
    lines: JsonlFile,
    progress: StepProgress,
) -> CategoryResult:
    overlays, what = folder.pictures_of(category.name), f"inspecting {category.name}"
    taught.recipe.save(folder.recipe_of(category.name))
    evaluation = evaluate(
        inspector.stages,
        taught.recipe,
        category,
        sinks=[lines, PictureFolder(overlays)],
        progress=lambda done, total: progress(what, done, total),
    )
    return CategoryResult(
        evaluation=evaluation, recipe=taught.recipe, overlays=overlays, doubts=taught.doubts
    )
