"""One category's part of the page."""

from __future__ import annotations

import numpy as np

from res2clip.evaluation import Evaluation
from res2clip.metrics import image_steps
from res2clip.report.contents import CategoryResult
from res2clip.report.curves import Line, draw_curves
from res2clip.report.figures import count_of
from res2clip.report.gallery import draw_gallery
from res2clip.report.histogram import draw_histogram
from res2clip.report.markup import Html, element, join
from res2clip.report.tables import draw_confusion
from res2clip.report.thumbnail import picture_of_png
from res2clip_runtime.threshold_steps import curves

__all__ = ["draw_section"]

MOST_REFERENCES = 16
_REFERENCE_PX = 160
_KEY = (
    "Left: as inspected, with heat map; what exceeds the pixel threshold is outlined in white. "
    "Right: the photo, the true defect outlined in ",
    element("span", "green", css="truth"),
    ".",
)


def draw_section(result: CategoryResult, *, index: int, cards: int) -> Html:
    """Return references, confusion, histogram, curves and gallery of a category.

    Args:
        result: the category.
        index: its number on the page; the table of figures leads to it.
        cards: most pictures in the gallery.
    """
    evaluation = result.evaluation
    verdicts = evaluation.verdicts
    threshold = next((v.threshold for v in verdicts if v.threshold is not None), None)
    histogram = draw_histogram(evaluation.scores, evaluation.labels, threshold)
    charts = join(
        element("div", element("h4", "Decisions"), draw_confusion(evaluation.confusion)),
        element("div", element("h4", "Scores"), histogram),
        element("div", element("h4", "Curves"), draw_curves(_lines(evaluation))),
    )
    return element(
        "section",
        element("h2", result.name, attributes={"id": f"category-{index}"}),
        element("h3", f"Taught with {count_of(len(result.recipe.references), 'good picture')}"),
        _references(result),
        element("h3", f"Inspected {count_of(len(verdicts), 'picture')}"),
        element("p", _threshold_text(result), css="quiet"),
        element("div", charts, css="columns"),
        element("h3", "Pictures"),
        element("p", *_KEY, css="quiet"),
        draw_gallery(result, cards=cards),
    )


def _lines(evaluation: Evaluation) -> list[Line]:
    metrics, known = evaluation.metrics, np.isfinite(evaluation.scores)
    steps = image_steps(evaluation.labels[known], evaluation.scores[known])
    lines = []
    if steps:
        lines.append(
            Line(
                name="pictures",
                css="pictures",
                curves=curves(steps),
                auroc=metrics.i_auroc,
                ap=metrics.i_ap,
            )
        )
    if evaluation.pixel_curves:
        lines.append(
            Line(
                name="pixels",
                css="pixels",
                curves=evaluation.pixel_curves,
                auroc=metrics.p_auroc,
                ap=metrics.p_ap,
            )
        )
    return lines


def _references(result: CategoryResult) -> Html:
    references = result.recipe.references
    cards = [
        element(
            "figure",
            picture_of_png(reference.png, name=reference.name, width_px=_REFERENCE_PX),
            element("figcaption", element("span", reference.name, css="name")),
            css="reference",
        )
        for reference in references[:MOST_REFERENCES]
    ]
    rest = len(references) - len(cards)
    more = element("p", f"and {rest} more", css="quiet") if rest else Html()
    doubts = [element("p", f"{d.name}: {d.message}", css="note") for d in result.doubts]
    return join(element("div", *cards, css="references"), more, *doubts)


def _threshold_text(result: CategoryResult) -> str:
    threshold = next(iter(result.recipe.thresholds.values()), None)
    if threshold is None:
        return "The recipe holds no threshold (it takes two good pictures), so nothing is decided."
    kind = "calibrated" if threshold.calibrated else "uncalibrated: it promises no false-alarm rate"
    return f"Threshold {threshold.score:.4g}, {threshold.source}, {kind}."
