"""One figure-row of an evaluation: a detector, a category and a draw of references."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from res2clip.datasets import Category
from res2clip.feature_source import Progress
from res2clip.few_shot.detector import Detector
from res2clip.few_shot.draw import Draw
from res2clip.measurement import Measurement
from res2clip.metrics import Metrics

__all__ = ["Cell", "measure_cells"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """The seven figures of one draw."""

    detector: str
    """Name of the detector, such as ``training-free``."""
    category: str
    """Name of the category."""
    shots: int
    """k: good pictures it was taught with."""
    seed: int
    """Which draw of them."""
    metrics: Metrics
    """The figures."""


def measure_cells(
    detectors: Mapping[str, Detector],
    category: Category,
    draws: Sequence[Draw],
    *,
    progress: Progress | None = None,
) -> tuple[Cell, ...]:
    """Return the figures of every detector with every draw, in this order.

    Args:
        detectors: by name.
        category: its test pictures are inspected; pixel figures compare the maps with the masks
            resized to the maps' own size.
        draws: references of this category.
        progress: told after each picture of each draw.

    Raises:
        InputError: a picture or mask cannot be used; names it.
        OutputError: the disk is full.
    """
    total = len(detectors) * len(draws) * len(category.test)
    cells: list[Cell] = []

    def tell(done: int) -> None:
        if progress:
            progress(len(cells) * len(category.test) + done, total)

    for name, detector in detectors.items():
        for draw in draws:
            metrics = _measure(detector, category, draw, tell)
            cells.append(
                Cell(
                    detector=name,
                    category=category.name,
                    shots=draw.shots,
                    seed=draw.seed,
                    metrics=metrics,
                )
            )
    return tuple(cells)


def _measure(
    detector: Detector, category: Category, draw: Draw, tell: Callable[[int], None]
) -> Metrics:
    samples = category.test
    inspected = detector.inspect([sample.path for sample in samples], draw.references)
    with Measurement(category) as measurement:
        for done, (sample, scored) in enumerate(zip(samples, inspected, strict=True), start=1):
            measurement.add(sample, scored.image_score, scored.anomaly_map)
            tell(done)
        return measurement.result()[0]
