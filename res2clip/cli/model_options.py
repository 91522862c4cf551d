"""Options that choose a model, the same in every command."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

if TYPE_CHECKING:
    from res2clip.model import Res2CLIP

__all__ = ["BackboneOption", "HeadsOption", "ImageSizeOption", "MatchOption", "load_model"]

BackboneOption = Annotated[
    str,
    typer.Option(
        "--backbone",
        metavar="NAME[:TAG]|FILE",
        help="Frozen CLIP: mini (packaged), an open_clip name such as "
        "ViT-L-14-336-quickgelu:openai, or a local file in OpenAI's layout.",
    ),
]
ImageSizeOption = Annotated[
    int | None,
    typer.Option(
        "--image-size",
        metavar="PX",
        min=1,
        help="Side of the square pictures are resized to; by default the backbone's own.",
    ),
]
HeadsOption = Annotated[
    Path | None,
    typer.Option(
        "--heads",
        metavar="mini|FILE",
        help="Learned heads: a file (.safetensors or a published .pth), or mini, the packaged ones "
        "of the mini; none: training-free.",
    ),
]
MatchOption = Annotated[
    str,
    typer.Option(
        "--match",
        help="sparse_radial_knn (the only one that is exported), sparse_knn, or "
        "<none|local|radial>_<K>nn.",
    ),
]


def load_model(
    backbone: str, *, image_size: int | None, heads: Path | None, match: str
) -> Res2CLIP:
    """Return the model these options name, with a spinner on stderr while it loads.

    Raises:
        MissingExtraError: torch or open_clip is not installed.
        Res2ClipError: the weights are missing, damaged or do not fit.
    """
    import res2clip

    with Console(stderr=True).status(f"loading {backbone}"):
        frozen = res2clip.load_backbone(backbone, image_size=image_size)
        return res2clip.Res2CLIP(frozen, heads, match)
