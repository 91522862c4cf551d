"""The report of ``res2clip eval``: one draw of each category in pictures, all draws in figures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from res2clip.cli.eval_models import Models
from res2clip.datasets import Category
from res2clip.evaluation import evaluate
from res2clip.feature_source import FeatureSource
from res2clip.few_shot import Block, Draw
from res2clip.recalled_stages import RecalledStages
from res2clip.report import CategoryResult, Report, write_report
from res2clip_runtime.inspection import utc_now
from res2clip_runtime.sinks import PictureFolder
from res2clip_runtime.sinks.picture_folder import picture_name
from res2clip_runtime.teaching import teach

__all__ = ["illustrate", "write_few_shot_report"]


def illustrate(
    models: Models, category: Category, draw: Draw, source: FeatureSource, report: Path
) -> CategoryResult:
    """Return a category taught and inspected as on a line, with the last of the models.

    The pictures of the verdicts lie beside the report, in ``<its name>-pictures``.

    Raises:
        OutputError: a picture cannot be written.
    """
    *_, stages = models.by_mode.values()
    tests = [sample.path for sample in category.test]
    recalled = RecalledStages(stages, source, [*draw.references, *tests])
    taught = teach(recalled, draw.references, product=category.name)
    name = picture_name(category.name).removesuffix(".jpg")
    overlays = report.with_name(f"{report.stem}-pictures") / name
    evaluation = evaluate(recalled, taught.recipe, category, sinks=[PictureFolder(overlays)])
    return CategoryResult(
        evaluation=evaluation, recipe=taught.recipe, overlays=overlays, doubts=taught.doubts
    )


def write_few_shot_report(
    models: Models, blocks: Sequence[Block], shown: Sequence[CategoryResult], path: Path
) -> None:
    """Write the HTML file.

    Raises:
        OutputError: it cannot be written.
    """
    names = [result.name for result in shown]
    report = Report(
        title=f"res2clip eval: {', '.join(names[:4])}{' …' if len(names) > 4 else ''}",
        created=utc_now(),
        bundle=models.bundle,
        facts=models.facts,
        categories=tuple(shown),
        lead=_lead(models, blocks, shown),
        blocks=tuple(blocks),
    )
    write_report(report, path)


def _lead(models: Models, blocks: Sequence[Block], shown: Sequence[CategoryResult]) -> str:
    facts = models.facts
    shots = max(len(result.recipe.references) for result in shown)
    *_, mode = models.by_mode
    engine = "an exported bundle" if models.bundle else "PyTorch"
    return (
        f"Few-shot evaluation of {facts.backbone['name']} at {facts.method.image_size_px} px with "
        f"{engine}. First the figures of all draws of good pictures, then one draw in detail: the "
        f"first with {shots} shot{'' if shots == 1 else 's'}, {mode}."
    )
