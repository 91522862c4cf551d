"""Validation after every epoch, and which epoch was the best."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from res2clip.datasets import Category
from res2clip.encoding import FeaturesOf
from res2clip.heads import save_heads
from res2clip.metrics import Metrics
from res2clip.model import Res2CLIP
from res2clip.training.folder import RunFolder
from res2clip.training.log import Row, Table
from res2clip.training.loop import Trainer
from res2clip.training.validation import merit, validate

__all__ = ["Best", "Watch"]

_FIGURES = tuple(field.name for field in dataclasses.fields(Metrics))


@dataclass(frozen=True, slots=True, kw_only=True)
class Best:
    """The epoch that was best on the held-out categories."""

    epoch: int
    """Its number, from 1."""
    figures: Metrics
    """What was reached."""


class Watch:
    """Validates after an epoch, notes the figures and keeps the best heads."""

    def __init__(
        self,
        model: Res2CLIP,
        trainer: Trainer,
        held_out: Sequence[Category],
        *,
        features: FeaturesOf,
        folder: RunFolder,
    ) -> None:
        """Watch a trainer that stands where it will go on.

        Args:
            model: the frozen backbone.
            trainer: its heads are validated.
            held_out: categories that it does not see.
            features: of picture files.
            folder: for the table and the best heads.
        """
        self._model = model
        self._trainer = trainer
        self._held_out = held_out
        self._features = features
        self._folder = folder
        done = trainer.run.step // trainer.steps_per_epoch
        self._table = Table(folder.validation, ("epoch", *_FIGURES), upto=done)

    def after(self, epoch: int) -> None:
        """Validate after an epoch (0-based)."""
        heads, seed = self._trainer.run.heads, self._trainer.settings.seed
        figures = validate(self._model, heads, self._held_out, self._features, seed=seed)
        self._table.append({"epoch": epoch + 1, **dataclasses.asdict(figures)})
        if self.best().epoch == epoch + 1:
            save_heads(heads, self._folder.best_heads)

    def best(self) -> Best:
        """Return the best epoch so far, the earlier of equals."""
        return max(map(_best_of, self._table.rows()), key=lambda best: merit(best.figures))


def _best_of(row: Row) -> Best:
    figures = {name: row[name] for name in _FIGURES}
    return Best(
        epoch=int(row["epoch"] or 0),
        figures=Metrics(**{k: float("nan") if v is None else v for k, v in figures.items()}),
    )
