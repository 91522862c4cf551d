"""Training the residual heads (method.md, section 8)."""

from __future__ import annotations

from res2clip.training.folder import RunFolder
from res2clip.training.loop import Trainer
from res2clip.training.pairs import random_pairs
from res2clip.training.processes import open_fabric
from res2clip.training.settings import TrainingSettings

__all__ = ["RunFolder", "Trainer", "TrainingSettings", "open_fabric", "random_pairs"]
