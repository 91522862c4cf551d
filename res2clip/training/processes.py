"""The processes of a run: one, or those that ``torchrun`` started."""

from __future__ import annotations

import os

from lightning_fabric import Fabric

__all__ = ["open_fabric"]


def open_fabric(precision: str, *, accelerator: str = "auto") -> Fabric:
    """Return a launched Fabric for this process; under ``torchrun`` it knows the others.

    Args:
        precision: arithmetic of the heads, as Fabric calls it.
        accelerator: ``auto``, ``cpu`` or ``cuda``.
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    here = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    fabric = Fabric(
        accelerator=accelerator,
        devices=here,
        num_nodes=world // here,
        strategy="ddp" if world > 1 else "auto",
        precision=precision,  # type: ignore[arg-type]  # checked by TrainingSettings
    )
    fabric.launch()
    return fabric
