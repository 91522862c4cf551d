"""The page: one HTML file with everything in it."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from string import Template

from res2clip.report.contents import Report
from res2clip.report.figures import UNDEFINED, count_of, milliseconds, percent
from res2clip.report.gallery import CARDS_IN_ALL
from res2clip.report.markup import Html, element, join
from res2clip.report.model_facts import draw_model, draw_parity
from res2clip.report.section import draw_section
from res2clip.report.tables import draw_block, draw_confusion, draw_latency, draw_metrics
from res2clip_runtime.errors import InputError
from res2clip_runtime.storage import write_atomically

__all__ = ["render_report", "write_report"]


def write_report(report: Report, path: Path) -> None:
    """Write the page to ``path``, whole or not at all.

    Raises:
        InputError: the report has no category.
        OutputError: ``path`` cannot be written.
    """
    write_atomically(path, render_report(report).encode())


def render_report(report: Report) -> str:
    """Return the page: HTML, styles and pictures in one, nothing is loaded from elsewhere.

    Raises:
        InputError: the report has no category.
    """
    if not report.categories:
        raise InputError("there is nothing to report on; inspect at least one category")
    cards = max(6, CARDS_IN_ALL // len(report.categories))
    body = join(
        _header(report),
        _overview(report),
        *(draw_section(r, index=i, cards=cards) for i, r in enumerate(report.categories)),
        _model(report),
    )
    package = resources.files("res2clip.report")
    page = Template((package / "page.html").read_text(encoding="utf-8"))
    return page.substitute(
        title=element("title", report.title),
        style=(package / "style.css").read_text(encoding="utf-8"),
        body=body,
    )


def _header(report: Report) -> Html:
    confusion, summary = report.confusion, report.summary
    total = summary.latency.get("total")
    tiles = [
        ("image AUROC", percent(report.mean.i_auroc), "%"),
        ("pixel AUROC", percent(report.mean.p_auroc), "%"),
        ("underkill", percent(confusion.underkill_rate), "%"),
        ("overkill", percent(confusion.overkill_rate), "%"),
    ]
    if not report.blocks:
        median = milliseconds(total.p50_ms) if total else UNDEFINED
        tiles.append(("per picture, median", median, "ms"))
    return element(
        "header",
        element("h1", report.title),
        element("p", report.lead or _what_was_done(report), css="lead"),
        element("p", report.created.replace("T", " ").split(".")[0] + " UTC", css="quiet"),
        element("div", *(_tile(*tile) for tile in tiles), css="tiles"),
    )


def _what_was_done(report: Report) -> str:
    shots = {len(result.recipe.references) for result in report.categories}
    good = count_of(max(shots), "good picture") if len(shots) == 1 else "a few good pictures"
    names = [result.name for result in report.categories]
    products = names[0] if len(names) == 1 else f"{len(names)} products"
    assert report.bundle is not None  # a report without bundle says what was done
    manifest = report.bundle.manifest
    return (
        f"Taught {products} from {good}{' each' if len(names) > 1 else ''}, exported the model "
        f"({manifest.backbone['name']}, {manifest.method.image_size_px} px), and inspected "
        f"{count_of(report.summary.frames, 'picture')} with the exported bundle on ONNX Runtime, "
        "without PyTorch."
    )


def _tile(name: str, value: str, unit: str) -> Html:
    figure = join(value, element("small", f" {unit}")) if value != UNDEFINED else join(value)
    return element("div", element("b", figure), element("span", name), css="tile")


def _overview(report: Report) -> Html:
    several = len(report.categories) > 1
    together = (
        join(element("h3", "Decisions, all categories"), draw_confusion(report.confusion))
        if several
        else Html()
    )
    return element(
        "section",
        element("h2", "Figures"),
        element(
            "p",
            "In percent. I: does the score tell defective pictures from good ones; P: does the map "
            "tell defective pixels; PRO: how much of each defect is found at up to 30 % false "
            "alarms. Overkill: good part rejected; underkill: defective part passed. A dash: "
            "undefined here.",
            css="quiet",
        ),
        *(draw_block(block) for block in report.blocks),
        element("h3", "The draw that is shown below") if report.blocks else Html(),
        draw_metrics(report),
        together,
    )


def _model(report: Report) -> Html:
    parts = [element("h2", "Model")]
    facts = report.bundle.manifest if report.bundle else report.facts
    if facts is not None:
        parts.append(draw_model(facts))
    columns = []
    if not report.blocks:
        columns.append(element("div", element("h3", "Latency"), draw_latency(report.summary)))
    if report.bundle:
        parity = draw_parity(report.bundle.manifest)
        columns.append(element("div", element("h3", "Parity"), parity))
    return element("section", *parts, element("div", *columns, css="columns"))
