"""Everything that decides what a training run of the mini gives."""

from __future__ import annotations

from dataclasses import dataclass

from res2clip_runtime.errors import InputError

__all__ = ["LossWeights", "TrainingSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LossWeights:
    """How much each loss counts."""

    probe: float = 1.0
    """Cosine distillation through the linear probes."""
    similarity: float = 1.0
    """Distillation of the cosines among patches."""
    residual: float = 1.0
    """Residual lengths on episodes, patch by patch."""
    fused: float = 0.3
    """The fused map of inspection, patch by patch."""
    patch_text: float = 0.3
    """<patch, R_t> on episodes."""
    ranking: float = 0.5
    """Image scores of good and flawed views of one episode."""
    caption: float = 0.1
    """Contrast of captions and global features."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSettings:
    """A training run; equal settings give equal weights within the noise of bfloat16."""

    steps: int = 4400
    """Optimiser steps."""
    seed: int = 111
    """Seed of initial weights, crops, poses, flaws and everything else random."""
    patches_per_part: int = 1536
    """Patches of all views in a part of a step; 2 episodes of 3 views at 128 px."""
    parts_per_step: int = 2
    """Parts whose gradients make a step; they are worked on side by side."""
    sizes_px: tuple[int, ...] = (96, 128, 128, 128, 160)
    """Sides of the training pictures; each step takes one of them at random."""
    late_sizes_px: tuple[int, ...] = (128, 160, 192)
    """The same once the learning rate decays, so that training ends at inspection's size."""
    matrix_lr: float = 2e-3
    """Peak learning rate of the blocks' matrices (Muon)."""
    other_lr: float = 1e-3
    """Peak learning rate of everything else (AdamW)."""
    warmup_steps: int = 150
    """Steps over which the learning rate rises."""
    decay_share: float = 0.4
    """Last part of the steps, over which the learning rate falls to a fiftieth."""
    drawn_from_step: int = 0
    """First step with drawn products; before it, photos only."""
    drawn_share: float = 0.5
    """Part of the episodes made from drawn products."""
    ema: float = 0.998
    """Decay of the running mean of the weights that is packaged."""
    phases: tuple[tuple[int, LossWeights], ...] = (
        (0, LossWeights()),
        (400, LossWeights(similarity=12.0, residual=0.6)),
    )
    """First steps of phases, and how much each loss counts in them."""

    def __post_init__(self) -> None:
        """Refuse numbers that cannot be trained with.

        Raises:
            InputError: naming the field and its flag.
        """
        if self.steps < 1:
            raise InputError(f"steps={self.steps} (--steps) must be at least 1")
        for side in (*self.sizes_px, *self.late_sizes_px):
            if side % 8 or side < 32:
                raise InputError(f"sizes_px: {side} is not a multiple of 8 px of at least 32 px")

    def rate(self, step: int) -> float:
        """Return the factor of the learning rates at ``step``: warm-up, plateau, linear fall."""
        if step < self.warmup_steps:
            return (step + 1) / self.warmup_steps
        left = (self.steps - step) / max(1.0, self.decay_share * self.steps)
        return max(0.02, min(1.0, left))

    def weights(self, step: int) -> LossWeights:
        """Return how much each loss counts at ``step``."""
        return [weights for first, weights in self.phases if first <= step][-1]

    def sizes(self, step: int) -> tuple[int, ...]:
        """Return the picture sides in use at ``step``."""
        late = step > (1 - self.decay_share) * self.steps
        return self.late_sizes_px if late else self.sizes_px
