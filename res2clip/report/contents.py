"""What a report is made from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from res2clip.confusion import Confusion
from res2clip.evaluation import Evaluation
from res2clip.metrics import Metrics, mean_metrics
from res2clip_runtime.bundle import Bundle
from res2clip_runtime.quality import Doubt
from res2clip_runtime.recipe import Recipe
from res2clip_runtime.tally import Summary, Tally

__all__ = ["CategoryResult", "Report"]


@dataclass(frozen=True, kw_only=True, eq=False)
class CategoryResult:
    """One category: how it was taught and what came out."""

    evaluation: Evaluation
    """Verdicts and metrics."""
    recipe: Recipe
    """What it was inspected with."""
    overlays: Path
    """Folder in which a ``PictureFolder`` sink has put the pictures of the verdicts."""
    doubts: tuple[Doubt, ...] = ()
    """Warnings about the good pictures."""

    @property
    def name(self) -> str:
        """Name of the category."""
        return self.evaluation.category.name


@dataclass(frozen=True, kw_only=True, eq=False)
class Report:
    """All that a report says."""

    title: str
    """Headline."""
    created: str
    """When, ISO 8601 in UTC."""
    bundle: Bundle
    """The exported model that inspected."""
    categories: tuple[CategoryResult, ...]
    """One or more."""

    @property
    def mean(self) -> Metrics:
        """Mean of the metrics over the categories."""
        return mean_metrics([result.evaluation.metrics for result in self.categories])

    @property
    def confusion(self) -> Confusion:
        """Decisions against the truth, of all categories together."""
        return sum((result.evaluation.confusion for result in self.categories), Confusion())

    @property
    def summary(self) -> Summary:
        """Counts and latencies of all pictures."""
        tally = Tally()
        for result in self.categories:
            for verdict in result.evaluation.verdicts:
                tally.add(verdict)
        return tally.summary()
