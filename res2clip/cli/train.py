"""``res2clip train``: the residual heads, from pictures with masks."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from res2clip.cli.model_options import BackboneOption, ImageSizeOption
from res2clip.cli.step_progress import step_progress
from res2clip_runtime.errors import MissingExtraError

__all__ = ["train"]


def train(
    data: Annotated[
        Path,
        typer.Option(metavar="DIR", help="Categories to train on: their test pictures and masks."),
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the trained heads.")],
    backbone: BackboneOption = "mini",
    image_size: ImageSizeOption = None,
    epochs: Annotated[int, typer.Option(help="Passes over the pictures.")] = 10,
    batch: Annotated[
        int, typer.Option(help="Pictures in a step, over all processes and parts.")
    ] = 16,
    accumulate: Annotated[
        int, typer.Option(help="Parts a process works on one after the other; saves memory.")
    ] = 1,
    seed: Annotated[int, typer.Option(help="First weights, order and references.")] = 111,
    precision: Annotated[
        str, typer.Option(help="Arithmetic of the heads: 32-true or bf16-mixed.")
    ] = "32-true",
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run in --out, if there is one.")
    ] = False,
    checkpoint_every: Annotated[int, typer.Option(help="Steps between checkpoints.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Train the residual heads on the test pictures and masks of a data set.

    **Examples**

        res2clip train --data visa/ --out heads/

        res2clip train --data visa/ --out heads/ --resume

        torchrun --nproc-per-node 4 -m res2clip.cli train --data visa/ --out heads/

    Use them with `--heads heads/heads.safetensors`. Test on other products than you trained on.
    """
    import res2clip
    from res2clip.datasets import find_categories
    from res2clip.encoding import encode_files
    from res2clip.heads import save_heads

    try:
        from res2clip.training import (
            RunFolder,
            Trainer,
            TrainingSettings,
            open_fabric,
            random_pairs,
        )
    except ModuleNotFoundError as err:
        raise MissingExtraError(str(err.name), extra="train", purpose="res2clip train") from err

    settings = TrainingSettings(
        epochs=epochs,
        batch=batch,
        accumulate=accumulate,
        seed=seed,
        precision=precision,
        checkpoint_every=checkpoint_every,
    )
    pairs = random_pairs(find_categories(data), seed)
    folder = RunFolder(out)
    folder.claim(resume=resume)
    fabric = open_fabric(precision)
    frozen = res2clip.load_backbone(backbone, image_size=image_size)
    model = res2clip.Res2CLIP(frozen, device=fabric.device)
    trainer = Trainer(
        model,
        pairs,
        settings,
        fabric=fabric,
        features=partial(encode_files, model),
        folder=folder,
    )
    if resume:
        trainer.resume()
    with step_progress() as show:
        trainer.train(on_step=lambda step, losses: show("training", step, trainer.steps))
    if fabric.is_global_zero:
        save_heads(trainer.run.heads, folder.heads)
        typer.echo(json.dumps({"heads": str(folder.heads)}) if as_json else folder.heads)
