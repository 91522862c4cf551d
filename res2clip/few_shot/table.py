"""Cells as a paper prints them: one block per detector and number of shots, a row per category."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields

import numpy as np

from res2clip.few_shot.cell import Cell
from res2clip.metrics import Metrics, mean_metrics

__all__ = ["Block", "Row", "make_blocks"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A category's figures over all draws, or the mean over the categories."""

    name: str
    """Name of the category, or ``mean``."""
    mean: Metrics
    """Mean over the draws."""
    spread: Metrics | None
    """Standard deviation over the draws (divided by their number); None for a single draw."""
    draws: int
    """How many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A detector with k shots."""

    detector: str
    """Its name."""
    shots: int
    """k."""
    rows: tuple[Row, ...]
    """A row per category, in the order of the cells."""
    mean: Row
    """Mean over the categories, draw by draw; then mean and spread over the draws."""

    @property
    def draws(self) -> int:
        """Most draws of any category."""
        return max(row.draws for row in self.rows)


def make_blocks(cells: Sequence[Cell]) -> tuple[Block, ...]:
    """Return the blocks, detector by detector, then by shots."""
    groups: dict[tuple[str, int], list[Cell]] = {}
    for cell in cells:
        groups.setdefault((cell.detector, cell.shots), []).append(cell)
    detectors = list(dict.fromkeys(cell.detector for cell in cells))
    keys = sorted(groups, key=lambda key: (detectors.index(key[0]), key[1]))
    return tuple(_block(detector, shots, groups[detector, shots]) for detector, shots in keys)


def _block(detector: str, shots: int, cells: Sequence[Cell]) -> Block:
    names = dict.fromkeys(cell.category for cell in cells)
    rows = [_row(name, (c.metrics for c in cells if c.category == name)) for name in names]
    seeds = dict.fromkeys(cell.seed for cell in cells)
    by_draw = [mean_metrics([c.metrics for c in cells if c.seed == seed]) for seed in seeds]
    return Block(detector=detector, shots=shots, rows=tuple(rows), mean=_row("mean", by_draw))


def _row(name: str, draws: Iterable[Metrics]) -> Row:
    listed = list(draws)
    return Row(
        name=name,
        mean=mean_metrics(listed),
        spread=_spread(listed) if len(listed) > 1 else None,
        draws=len(listed),
    )


def _spread(draws: Sequence[Metrics]) -> Metrics:
    deviations = np.std([astuple(draw) for draw in draws], axis=0)  # NaN where undefined
    names = [field.name for field in fields(Metrics)]
    return Metrics(**dict(zip(names, deviations.tolist(), strict=True)))
