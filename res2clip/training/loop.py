"""The training loop: steps over global batches, on one process or several."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor

from res2clip.encoding import FeaturesOf
from res2clip.heads import ResidualHeads
from res2clip.losses import Truth, count_kinds
from res2clip.model import Res2CLIP
from res2clip.training.batch import BatchReader
from res2clip.training.folder import RunFolder
from res2clip.training.log import Table
from res2clip.training.objective import LOSSES, Objective, PartTruth, trained_losses
from res2clip.training.pairs import Pair, PairsOfEpoch
from res2clip.training.run import Run, fresh_heads
from res2clip.training.settings import TrainingSettings
from res2clip_runtime.spec import sha256_hex

__all__ = ["Trainer"]


class Trainer:
    """One run in one folder; every process of it has its own."""

    def __init__(
        self,
        model: Res2CLIP,
        pairs: PairsOfEpoch,
        settings: TrainingSettings,
        *,
        fabric: Fabric,
        features: FeaturesOf,
        folder: RunFolder,
        heads: ResidualHeads | None = None,
    ) -> None:
        """Prepare a run at its start.

        Args:
            model: the frozen backbone, training-free, on ``fabric.device``.
            pairs: what each epoch shows.
            settings: of the run.
            fabric: launched; its processes share every step.
            features: of picture files.
            folder: where the checkpoint and the table of losses go.
            heads: to start from; fresh ones by default.
        """
        config = model.backbone.config
        first = pairs(0)
        heads = heads or fresh_heads(config.taps, config.embed_dim, settings.seed)
        self.settings = settings
        self.steps_per_epoch = math.ceil(len(first) / settings.batch)
        self.run = Run.start(
            heads.to(fabric.device), settings, steps_per_epoch=self.steps_per_epoch
        )
        self._pairs = pairs
        self._fabric = fabric
        self._folder = folder
        self._reader = BatchReader(features, model.matcher, config.image_size_px)
        self._objective = Objective(
            heads=self.run.heads,
            text_residual=model.branches.text,
            margin=settings.margin,
            autocast=fabric.autocast,
        )
        self._options = _options(model, settings, first)

    @property
    def steps(self) -> int:
        """Steps of the whole run."""
        return self.settings.epochs * self.steps_per_epoch

    def resume(self) -> None:
        """Go on where the folder's checkpoint was written; without one, from the start.

        Raises:
            InputError: the run had other options.
            ArtefactError: the checkpoint is damaged.
        """
        if self._folder.checkpoint.exists():
            self.run.load(self._folder.checkpoint, self._options)

    def train(
        self,
        *,
        on_step: Callable[[int, Mapping[str, float]], None] = lambda step, losses: None,
        on_epoch: Callable[[int], None] = lambda epoch: None,
    ) -> None:
        """Train to the end.

        Args:
            on_step: called on every process with the steps done and the losses of the last.
            on_epoch: called on every process after each epoch, before its checkpoint.

        Raises:
            InputError: a picture or mask cannot be read.
            OutputError: checkpoint or table cannot be written.
        """
        table = self._table()
        while self.run.step < self.steps:
            epoch, index = divmod(self.run.step, self.steps_per_epoch)
            size = self.settings.batch
            losses = self._step(self._pairs(epoch)[index * size : (index + 1) * size], epoch)
            self.run.step += 1
            if table:
                table.append({"step": self.run.step, "epoch": epoch, **losses})
            on_step(self.run.step, losses)
            ended = index + 1 == self.steps_per_epoch
            if ended:
                on_epoch(epoch)
            if ended or self.run.step % self.settings.checkpoint_every == 0:
                self._save()

    def _table(self) -> Table | None:
        if not self._fabric.is_global_zero:
            return None
        columns = ("step", "epoch", *LOSSES)
        return Table(self._folder.losses, columns, upto=self.run.step)

    def _save(self) -> None:
        if self._fabric.is_global_zero:
            self.run.save(self._folder.checkpoint, self._options)

    def _step(self, batch: Sequence[Pair], epoch: int) -> dict[str, float]:
        """Update the adapters with one global batch; return its losses."""
        parts = self._own_parts(batch)
        masks = [self._reader.masks(part) for part in parts]
        labels = [mask.flatten(1).any(dim=1) for mask in masks]
        pixels, pictures = self._count(masks), self._count(labels)
        losses = dict.fromkeys(trained_losses(epoch), torch.zeros((), device=self._fabric.device))
        for part, mask, label in zip(parts, masks, labels, strict=True):
            truth = PartTruth(
                pixels=Truth.of(mask, pixels),
                pictures=Truth.of(label, pictures),
                share=len(part) / len(batch),
            )
            found = self._objective.losses(self._reader.read(part), truth, epoch)
            torch.stack(list(found.values())).sum().backward()
            losses = {name: losses[name] + value.detach() for name, value in found.items()}
        self._update(losses)
        total = self._sum(torch.stack(list(losses.values()))).tolist()
        return dict(zip(losses, total, strict=True))

    def _own_parts(self, batch: Sequence[Pair]) -> list[Sequence[Pair]]:
        """Return this process's parts of a global batch; small batches leave some without any."""
        accumulate, world = self.settings.accumulate, self._fabric.world_size
        first = self._fabric.global_rank * accumulate
        bounds = [len(batch) * i // (accumulate * world) for i in range(accumulate * world + 1)]
        own = zip(bounds[first : first + accumulate], bounds[first + 1 :], strict=False)
        return [batch[low:high] for low, high in own if high > low]

    def _count(self, truths: Sequence[Tensor]) -> Tensor:
        counts = torch.zeros(2, dtype=torch.float64, device=self._fabric.device)
        for truth in truths:
            counts += count_kinds(truth)
        return self._sum(counts)

    def _update(self, trained: Collection[str]) -> None:
        """Add up the processes' gradients and step the groups that have one."""
        groups = [group for group in self.run.groups if group.name in trained]
        parameters = [p for group in groups for p in group.parameters]
        if self._fabric.world_size > 1:
            gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
            total = self._sum(torch.cat([g.flatten() for g in gradients]))
            sizes = [p.numel() for p in parameters]
            for parameter, gradient in zip(parameters, total.split(sizes), strict=True):
                parameter.grad = gradient.view_as(parameter)
        for group in groups:
            group.step()

    def _sum(self, values: Tensor) -> Tensor:
        """Return the sum over the processes."""
        if self._fabric.world_size == 1:
            return values
        total = self._fabric.all_reduce(values, reduce_op="sum")
        assert isinstance(total, Tensor)
        return total


def _options(model: Res2CLIP, settings: TrainingSettings, pairs: Sequence[Pair]) -> dict[str, Any]:
    """Return what has to stay the same when a run goes on."""
    values = settings.to_json()
    for free in ("accumulate", "checkpoint_every"):  # they do not change what is computed
        del values[free]
    names = sorted(f"{pair.query.path.parent.name}/{pair.query.path.name}" for pair in pairs)
    return {
        **values,
        "encoder": model.spec.encoder_id,
        "pictures": sha256_hex("\n".join(names).encode()),
    }
