"""The numbers of a training run (method.md, section 8)."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from res2clip_runtime.errors import InputError

__all__ = ["TrainingSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSettings:
    """The defaults are the paper's."""

    epochs: int = 10
    """Passes over the pictures (--epochs)."""
    batch: int = 16
    """Pictures in a step, over all processes and parts (--batch)."""
    accumulate: int = 1
    """Parts a process works on one after the other in a step (--accumulate)."""
    seed: int = 111
    """Decides first weights, order and references (--seed)."""
    adapter_lr: float = 5e-4
    """Peak learning rate of the adapters of visual residuals: A, B, B_g."""
    direction_lr: float = 1e-4
    """Peak learning rate of the adapters of the text residual: C, C_res."""
    betas: tuple[float, float] = (0.5, 0.999)
    """Of Adam."""
    clip_norm: float = 1.0
    """Largest gradient norm of a group."""
    margin: float = 1.0
    """tau."""
    precision: str = "32-true"
    """Arithmetic of the heads: 32-true or bf16-mixed (--precision)."""
    checkpoint_every: int = 50
    """Steps between checkpoints (--checkpoint-every)."""

    def __post_init__(self) -> None:
        """Refuse numbers that cannot be trained with.

        Raises:
            InputError: naming the field and its flag.
        """
        for field in ("epochs", "batch", "accumulate", "checkpoint_every"):
            if getattr(self, field) < 1:
                flag = field.replace("_", "-")
                raise InputError(f"{field} (--{flag}) is {getattr(self, field)}; give 1 or more")
        if self.seed < 0:
            raise InputError(f"seed (--seed) is {self.seed}; give 0 or more")
        if self.precision not in ("32-true", "bf16-mixed"):
            raise InputError(
                f"precision (--precision) is '{self.precision}'; use 32-true or bf16-mixed"
            )

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return {**dataclasses.asdict(self), "betas": list(self.betas)}
