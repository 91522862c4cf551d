"""Saving a training run and going on with it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from res2clip.mini.learner import Learner, RunningMean
from res2clip.mini.teacher import Teacher

__all__ = ["Run"]


@dataclass(slots=True)
class Run:
    """The state of a training run."""

    learner: Learner
    """The weights being trained."""
    mean: RunningMean
    """Their running mean, which is validated and packaged."""
    teacher: Teacher
    """Frozen; centred on this run's pictures."""
    optimisers: list[torch.optim.Optimizer]
    """One per kind of parameter."""
    step: int = 0
    """Steps done."""

    def save(self, file: Path) -> None:
        """Write everything needed to go on; the old file stays until the new one is whole."""
        state = {
            "learner": self.learner.state_dict(),
            "mean": self.mean.learner.state_dict(),
            "teacher_means": self._teacher_means(),
            "optimisers": [o.state_dict() for o in self.optimisers],
            "step": self.step,
        }
        unfinished = file.with_suffix(".part")
        torch.save(state, unfinished)
        unfinished.replace(file)

    def load(self, file: Path) -> None:
        """Take over what ``save`` wrote."""
        state: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
        self.learner.load_state_dict(state["learner"])
        self.mean.learner.load_state_dict(state["mean"])
        self.teacher.load_state_dict(state["teacher_means"], strict=False)
        for optimiser, saved in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(saved)
        self.step = int(state["step"])

    def _teacher_means(self) -> dict[str, torch.Tensor]:
        return {k: v for k, v in self.teacher.state_dict().items() if k.startswith("mean_")}
