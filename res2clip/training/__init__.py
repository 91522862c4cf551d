"""Training the residual heads (method.md, section 8)."""

from __future__ import annotations

from res2clip.training.processes import open_fabric
from res2clip.training.session import TrainingRequest, train_heads
from res2clip.training.settings import TrainingSettings

__all__ = ["TrainingRequest", "TrainingSettings", "open_fabric", "train_heads"]
