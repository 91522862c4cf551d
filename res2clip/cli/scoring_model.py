"""Which model ``res2clip score`` uses: an exported bundle, or PyTorch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from res2clip.cli.model_options import load_model
from res2clip_runtime.backends import open_stages
from res2clip_runtime.cli.bundle_choice import choose_bundle
from res2clip_runtime.spec import MethodSpec

if TYPE_CHECKING:
    from res2clip.model import Res2CLIP
    from res2clip_runtime.picture_archive import OpenModel

__all__ = ["ModelRequest", "ScoringModel", "choose_model"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRequest:
    """The options that choose the model."""

    bundle: Path | None
    """``--bundle``; None chooses the installed one, unless a backbone is given."""
    backend: str
    """``--backend``."""
    backbone: str | None
    """``--backbone``; scores with PyTorch."""
    image_size: int | None
    """``--image-size``."""
    heads: Path | None
    """``--heads``."""
    match: str
    """``--match``."""
    threads: int | None
    """CPU threads of one worker; None: all."""

    def __post_init__(self) -> None:
        """Refuse combinations that mean nothing (exit code 2)."""
        if self.bundle is not None and self.backbone is not None:
            raise typer.BadParameter("give either --bundle or --backbone")
        if self.backbone is None and (self.heads is not None or self.image_size is not None):
            raise typer.BadParameter("--heads and --image-size need --backbone (PyTorch)")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoringModel:
    """A model that can be opened in any process."""

    spec: MethodSpec
    """Its constants."""
    open: OpenModel
    """Opens it."""
    gpus: int
    """GPUs that one worker needs."""


def choose_model(request: ModelRequest, *, encoder_id: str) -> ScoringModel:
    """Return the model the options name; without any, the installed bundle with this encoder.

    Raises:
        Res2ClipError: it is missing, damaged, or its packages are not installed.
    """
    if request.backbone is None:
        bundle = choose_bundle(request.bundle, encoder_id=encoder_id)
        opening = partial(open_stages, bundle, request.backend, threads=request.threads)
        gpus = int(request.backend.endswith(("cuda", "tensorrt")))
        return ScoringModel(spec=bundle.manifest.method, open=opening, gpus=gpus)
    model = load_model(
        request.backbone, image_size=request.image_size, heads=request.heads, match=request.match
    )
    return ScoringModel(spec=model.spec, open=partial(_open_torch, request), gpus=0)


def _open_torch(request: ModelRequest) -> Res2CLIP:
    import torch

    import res2clip

    if request.threads is not None:
        torch.set_num_threads(request.threads)
    backbone = res2clip.load_backbone(request.backbone or "mini", image_size=request.image_size)
    return res2clip.Res2CLIP(backbone, request.heads, request.match)
