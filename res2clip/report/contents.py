"""What a report is made from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from res2clip.confusion import Confusion
from res2clip.evaluation import Evaluation
from res2clip.few_shot import Block
from res2clip.metrics import Metrics, mean_metrics
from res2clip.report.model_facts import ModelFacts
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
    bundle: Bundle | None
    """The exported model that inspected; None if it was not exported."""
    categories: tuple[CategoryResult, ...]
    """One or more."""
    lead: str = ""
    """What was done, in a sentence; by default what the demo does."""
    facts: ModelFacts | None = None
    """The model where there is no bundle."""
    blocks: tuple[Block, ...] = ()
    """Figures over several draws of references. The categories show one of these draws, and their
    features are stored ones: the page says nothing about time."""

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
