"""The report's tables of figures."""

from __future__ import annotations

import dataclasses

from res2clip.confusion import Confusion
from res2clip.few_shot import Block
from res2clip.few_shot.text import block_title, figures_of
from res2clip.metrics import METRIC_NAMES, Metrics
from res2clip.report.contents import Report
from res2clip.report.figures import milliseconds, percent, share
from res2clip.report.markup import Html, element, join, table
from res2clip_runtime.tally import Summary

__all__ = ["draw_block", "draw_confusion", "draw_latency", "draw_metrics"]


def draw_metrics(report: Report) -> Html:
    """Return the seven figures of each category and their mean, in percent."""
    rows = [
        [_link(result.name, index), *_percents(result.evaluation.metrics)]
        for index, result in enumerate(report.categories)
    ]
    foot = ["mean", *_percents(report.mean)] if len(rows) > 1 else None
    return table(["category", *METRIC_NAMES.values()], rows, foot=foot)


def draw_block(block: Block) -> Html:
    """Return the figures of one detector with k shots over all draws, in percent."""
    rows = [[row.name, *figures_of(row)] for row in block.rows]
    foot = ["mean", *figures_of(block.mean)] if len(rows) > 1 else None
    return join(
        element("h3", block_title(block)),
        table(["category", *METRIC_NAMES.values()], rows, foot=foot),
    )


def draw_confusion(confusion: Confusion) -> Html:
    """Return decisions against the truth."""
    good, defective = confusion.good, confusion.defective
    rows = [
        ["good part", share(confusion.good_ok, good), share(confusion.good_ng, good)],
        [
            "defective part",
            share(confusion.defective_ok, defective),
            share(confusion.defective_ng, defective),
        ],
    ]
    head = ["", "passed (OK)", "rejected (NG)"]
    if confusion.good_error or confusion.defective_error:
        head.append("no decision (ERROR)")
        rows[0].append(share(confusion.good_error, good))
        rows[1].append(share(confusion.defective_error, defective))
    return table(head, rows)


def draw_latency(summary: Summary) -> Html:
    """Return percentiles of each stage, in milliseconds."""
    rows = [
        [stage, milliseconds(v.p50_ms), milliseconds(v.p90_ms), milliseconds(v.p99_ms)]
        for stage, v in summary.latency.items()
    ]
    return table(["stage, ms per picture", "p50", "p90", "p99"], rows)


def _link(name: str, index: int) -> Html:
    return element("a", name, attributes={"href": f"#category-{index}"})


def _percents(metrics: Metrics) -> list[str]:
    return [percent(value) for value in dataclasses.astuple(metrics)]
