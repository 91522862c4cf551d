"""What comes with trained heads: their configuration as JSON and their card for people."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any

from res2clip.datasets import Category
from res2clip.model import Res2CLIP
from res2clip.training.settings import TrainingSettings
from res2clip.training.watch import Best
from res2clip_runtime.inspection import utc_now

__all__ = ["card_of", "config_of"]


def config_of(
    model: Res2CLIP,
    settings: TrainingSettings,
    categories: Sequence[Category],
    *,
    processes: int,
    losses: Mapping[str, float],
    best: Best | None,
) -> dict[str, Any]:
    """Return how heads were trained, as JSON values.

    Args:
        model: the frozen backbone.
        settings: of the run.
        categories: what was trained on.
        processes: that shared the work.
        losses: mean of the last epoch in which each was trained.
        best: held-out figures, if there are some.
    """
    backbone, spec = model.backbone, model.spec
    return {
        "format": 1,
        "created": utc_now(),
        "backbone": backbone.name,
        "backbone_weights": backbone.weights,
        "backbone_licence": backbone.licence,
        "encoder_id": spec.encoder_id,
        "image_size_px": spec.image_size_px,
        "taps": list(spec.taps),
        "embed_dim": spec.embed_dim,
        "settings": settings.to_json(),
        "processes": processes,
        "trained_on": {category.name: len(category.test) for category in categories},
        "losses": dict(losses),
        "best": None if best is None else {"epoch": best.epoch, **dataclasses.asdict(best.figures)},
        "versions": {name: metadata.version(name) for name in ("res2clip", "torch")},
    }


def card_of(config: Mapping[str, Any]) -> str:
    """Return the card, Markdown."""
    settings, trained_on = config["settings"], config["trained_on"]
    pictures = sum(trained_on.values())
    losses = "\n".join(f"| {name} | {value:.4f} |" for name, value in config["losses"].items())
    return f"""# Residual heads for {config["backbone"]}

Learned heads of Res2CLIP (arXiv 2605.16171, section 8 of our method page), for one frozen encoder.

    res2clip teach --backbone BACKBONE --heads heads.safetensors --product NAME good/*.png

| | |
|---|---|
| backbone | {config["backbone"]}, weights {config["backbone_weights"]} |
| encoder | {config["encoder_id"]}, {config["image_size_px"]} px |
| taps, width | {", ".join(map(str, config["taps"]))}; {config["embed_dim"]} |
| trained on | {pictures} pictures: {", ".join(trained_on)} |
| epochs, batch, seed | {settings["epochs"]}, {settings["batch"]}, {settings["seed"]} |
| precision, processes | {settings["precision"]}, {config["processes"]} |
| created | {config["created"]} |

Mean losses of the last epoch that trained them; `losses.svg` and `losses.csv` hold every step:

| loss | value |
|---|---|
{losses}

{_validation_text(config["best"])}

## Limits

- The heads fit this encoder alone; another backbone or picture size needs its own.
- Figures on the products that were trained on say nothing; test on others.
- The licence of the backbone ({config["backbone_licence"]}) and of the training pictures apply.
"""


def _validation_text(best: Mapping[str, float] | None) -> str:
    if best is None:
        return "They were not validated on held-out products (`--validate`)."
    figures = ", ".join(
        f"{name.replace('_', '-').upper()} {100 * value:.1f}"
        for name, value in best.items()
        if name != "epoch"
    )
    return (
        f"Best epoch on held-out products, one reference: {best['epoch']:.0f} ({figures}); its "
        "heads are `best.safetensors`. They were chosen by these figures, which therefore flatter."
    )
