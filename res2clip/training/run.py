"""The state of a training run, and its file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from res2clip.heads import ResidualHeads
from res2clip.training.groups import Group, groups_of
from res2clip.training.settings import TrainingSettings
from res2clip_runtime.errors import ArtefactError, FormatVersionError, InputError
from res2clip_runtime.spec import canonical_json
from res2clip_runtime.storage import write_atomically

__all__ = ["Run", "fresh_heads"]

_FORMAT = 1
_KEY = "res2clip"


@dataclass(slots=True, kw_only=True)
class Run:
    """Everything that decides how training goes on.

    The order of pictures is a function of seed and epoch, so no generator's state is among it.
    """

    heads: ResidualHeads
    """The adapters being trained."""
    groups: tuple[Group, ...]
    """Their optimisers and schedules."""
    step: int = 0
    """Steps done."""

    @classmethod
    def start(
        cls, heads: ResidualHeads, settings: TrainingSettings, *, steps_per_epoch: int
    ) -> Run:
        """Return a run at step 0 that trains ``heads``."""
        heads.requires_grad_(True).train()
        groups = groups_of(heads, settings, steps_per_epoch=steps_per_epoch)
        return cls(heads=heads, groups=groups)

    def save(self, path: Path, options: Mapping[str, Any]) -> None:
        """Write the state; an older file stays until the new one is whole.

        Args:
            path: of the file.
            options: JSON values that must be the same when it goes on.

        Raises:
            OutputError: it cannot be written.
        """
        done = {group.name: group.done for group in self.groups}
        about = {"format": _FORMAT, "step": self.step, "done": done, "options": dict(options)}
        tensors = {name: t.contiguous().cpu() for name, t in self._tensors().items()}
        write_atomically(path, save(tensors, metadata={_KEY: canonical_json(about)}))

    def load(self, path: Path, options: Mapping[str, Any]) -> None:
        """Take over what :meth:`save` wrote.

        Raises:
            InputError: it was written under other options.
            FormatVersionError: it was written by a newer res2clip.
            ArtefactError: it is damaged.
        """
        try:
            with safe_open(path, framework="pt") as file:
                about = json.loads((file.metadata() or {})[_KEY])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            if about["format"] != _FORMAT:
                raise FormatVersionError(f"{path} was written by another res2clip; upgrade it")
            _check_same(path, about["options"], options)
            self._restore(about, tensors)
        except (OSError, SafetensorError, KeyError, TypeError, RuntimeError, ValueError) as err:
            if isinstance(err, (InputError, FormatVersionError)):
                raise
            raise ArtefactError(
                f"{path} is damaged ({err}); remove it and train again without --resume"
            ) from err

    def _tensors(self) -> dict[str, Tensor]:
        tensors = {f"heads.{name}": value for name, value in self.heads.state_dict().items()}
        for group in self.groups:
            for index, state in group.optimiser.state_dict()["state"].items():
                tensors |= {f"adam.{group.name}.{index}.{k}": v for k, v in state.items()}
        return tensors

    def _restore(self, about: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
        prefix = "heads."
        weights = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
        self.heads.load_state_dict(weights)
        for group in self.groups:
            state: dict[int, dict[str, Tensor]] = {}
            for name, value in tensors.items():
                if name.startswith(f"adam.{group.name}."):
                    *_, index, key = name.split(".")
                    state.setdefault(int(index), {})[key] = value
            own = group.optimiser.state_dict()["param_groups"]
            group.optimiser.load_state_dict({"state": state, "param_groups": own})
            group.done = int(about["done"][group.name])
        self.step = int(about["step"])


def _check_same(path: Path, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    for name, value in wanted.items():
        if found.get(name) != value:
            raise InputError(
                f"the run in {path.parent} has {name} {found.get(name)}, not {value}; go on with "
                "the options it was started with, or choose another --out"
            )


def fresh_heads(taps: tuple[int, ...], dim: int, seed: int) -> ResidualHeads:
    """Return new heads; equal seeds give equal weights, and nobody else's generator is touched."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return ResidualHeads(taps, dim)
