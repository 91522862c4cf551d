"""The groups of adapters that are optimised each by itself."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from res2clip.heads import ResidualHeads
from res2clip.training.objective import trains_direction
from res2clip.training.settings import TrainingSettings

__all__ = ["Group", "groups_of", "rate"]


@dataclass(slots=True, kw_only=True)
class Group:
    """Some adapters, their optimiser and where it is in its schedule."""

    name: str
    """``text``, ``visual``, ``residual`` or ``direction``: the loss that trains it."""
    parameters: list[nn.Parameter]
    """Of its adapters."""
    optimiser: torch.optim.Adam
    """Adam over them."""
    peak_lr: float
    """Learning rate at the end of the warm-up."""
    warm_up: int
    """Steps of the warm-up: one epoch."""
    total: int
    """Steps of its schedule."""
    clip_norm: float
    """Largest norm of its gradient."""
    done: int = 0
    """Steps it has made."""

    def step(self) -> None:
        """Clip the gradient, update the adapters and forget the gradient."""
        torch.nn.utils.clip_grad_norm_(self.parameters, self.clip_norm)
        for options in self.optimiser.param_groups:
            options["lr"] = self.peak_lr * rate(self.done, self.warm_up, self.total)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        self.done += 1


def rate(step: int, warm_up: int, total: int) -> float:
    """Return the share of the peak learning rate at a step (0-based).

    It rises linearly over ``warm_up`` steps and then falls to 0 along half a cosine.
    """
    if step < warm_up:
        return step / warm_up
    progress = (step - warm_up) / max(1, total - warm_up)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def groups_of(
    heads: ResidualHeads, settings: TrainingSettings, *, steps_per_epoch: int
) -> tuple[Group, ...]:
    """Return the four groups: C, A, B with B_g, and C_res."""
    epochs = range(settings.epochs)
    direction_epochs = sum(map(trains_direction, epochs))
    plan: list[tuple[str, Sequence[nn.Module], float, int]] = [
        ("text", [heads.text_adapter], settings.direction_lr, len(epochs)),
        ("visual", [heads.vis_adapters], settings.adapter_lr, len(epochs)),
        (
            "residual",
            [heads.res_vis_local_adapters, heads.res_vis_global_adapter],
            settings.adapter_lr,
            len(epochs) - direction_epochs,
        ),
        ("direction", [heads.res_text_adapter], settings.direction_lr, max(1, direction_epochs)),
    ]
    groups = []
    for name, modules, peak_lr, own_epochs in plan:
        parameters = [p for module in modules for p in module.parameters()]
        groups.append(
            Group(
                name=name,
                parameters=parameters,
                optimiser=torch.optim.Adam(parameters, lr=peak_lr, betas=settings.betas),
                peak_lr=peak_lr,
                warm_up=steps_per_epoch,
                total=own_epochs * steps_per_epoch,
                clip_norm=settings.clip_norm,
            )
        )
    return tuple(groups)
