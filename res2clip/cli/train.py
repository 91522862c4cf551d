"""``res2clip train``: the residual heads, from pictures with masks."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer

from res2clip.cli.model_options import BackboneOption, ImageSizeOption
from res2clip.cli.step_progress import step_progress
from res2clip_runtime.errors import MissingExtraError
from res2clip_runtime.storage import cache_directory

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
    cache: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder of the feature cache.  [~/.cache/res2clip]"),
    ] = None,
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Encode a picture each time it is shown.")
    ] = False,
    validate: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Held-out categories, measured after each epoch."),
    ] = None,
    accelerator: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
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

    Use them with `--heads heads/heads.safetensors`, on other products than these. Each picture is
    encoded once and its features are kept; a run that was killed goes on with `--resume`.
    """
    import res2clip
    from res2clip.datasets import find_categories

    try:
        from res2clip.training import TrainingRequest, TrainingSettings, open_fabric, train_heads
    except ModuleNotFoundError as err:
        raise MissingExtraError(str(err.name), extra="train", purpose="res2clip train") from err

    request = TrainingRequest(
        categories=find_categories(data),
        held_out=find_categories(validate) if validate else (),
        out=out,
        cache=None if no_cache else cache or cache_directory() / "features",
        resume=resume,
        settings=TrainingSettings(
            epochs=epochs,
            batch=batch,
            accumulate=accumulate,
            seed=seed,
            precision=precision,
            checkpoint_every=checkpoint_every,
        ),
    )
    fabric = open_fabric(precision, accelerator=accelerator)
    frozen = res2clip.load_backbone(backbone, image_size=image_size)
    model = res2clip.Res2CLIP(frozen, device=fabric.device)
    with step_progress() if fabric.is_global_zero else nullcontext(_silent) as show:
        config = train_heads(model, request, fabric, progress=show)
    if fabric.is_global_zero:
        typer.echo(json.dumps({"path": str(out), **config}) if as_json else _text(out, config))


def _silent(what: str, done: int, total: int) -> None:
    """Say nothing: another process of the run does."""


def _text(out: Path, config: dict[str, Any]) -> str:
    losses = ", ".join(f"{name} {value:.3f}" for name, value in config["losses"].items())
    best = config["best"]
    lines = [
        f"heads   {out / 'heads.safetensors'}",
        f"losses  {losses} ({out / 'losses.svg'})",
        f"next    res2clip teach --heads {out / 'heads.safetensors'} --product NAME good/*.png",
    ]
    if best:
        lines[2:2] = [
            f"best    epoch {best['epoch']} on held-out products: I-AUROC "
            f"{100 * best['i_auroc']:.1f}, P-AUROC {100 * best['p_auroc']:.1f}, "
            f"P-AP {100 * best['p_ap']:.1f} ({out / 'best.safetensors'})"
        ]
    return "\n".join(lines)
