"""``load_backbone``: from a name or a file to a frozen CLIP, ready for residuals."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from res2clip.backbone import VisionConfig, VisionTower
from res2clip.text_tower import TextConfig
from res2clip.weights import (
    ClipSizes,
    clip_sizes,
    read_tensors,
    tensors_digest,
    text_tensors,
    vision_tensors,
)
from res2clip_runtime.errors import ArtefactError, InputError
from res2clip_runtime.manifest import preprocessing_of
from res2clip_runtime.spec import canonical_json

__all__ = ["Backbone", "load_backbone"]

MINI = "mini"
_INSPECTION_SIZE_PX = {"ViT-L-14-336": 518, "ViT-L-14-336-quickgelu": 518, "ViT-L-14-336px": 518}
"""Inspection sizes of the paper; any other backbone is used at its own resolution."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Backbone:
    """A frozen CLIP: its vision tower, and what is needed to build its text tower."""

    name: str
    """``mini``, an open_clip name, or the file's stem."""
    weights: str
    """Tag or path the weights came from."""
    licence: str
    """Licence of the weights as far as known."""
    tower: VisionTower = field(repr=False)
    """Vision tower in fp32, in evaluation mode."""
    text: TextConfig
    """Sizes of the text tower."""
    text_weights: dict[str, Tensor] = field(repr=False)
    """Its tensors, fp32."""

    @property
    def origin(self) -> dict[str, str]:
        """Where the weights come from, as manifests and reports name it."""
        return {"name": self.name, "weights": self.weights, "licence": self.licence}

    @property
    def config(self) -> VisionConfig:
        """Sizes of the vision tower, taps and V-V depth."""
        return self.tower.config

    @cached_property
    def encoder_id(self) -> str:
        """sha256 of weights, S, taps, V-V depth and preprocessing (architecture.md, Recipe)."""
        config = self.config
        facts = {
            "image_size_px": config.image_size_px,
            "taps": list(config.taps),
            "vv_depth": config.vv_depth,
            "heads": config.heads,
            "quick_gelu": config.quick_gelu,
            "preprocessing": preprocessing_of(config.image_size_px),
        }
        return tensors_digest(self.tower.state_dict(), [canonical_json(facts)])


def load_backbone(
    source: str | os.PathLike[str],
    *,
    image_size: int | None = None,
    taps: tuple[int, ...] = (),
    vv_depth: int = -1,
) -> Backbone:
    """Return a frozen CLIP.

    Args:
        source: ``mini``, an open_clip name with an optional tag (``ViT-B-16:laion2b_s34b_b88k``),
            or a local file in OpenAI's layout.
        image_size: side S of inspected pictures; None for the backbone's own.
        taps: tapped blocks, 1-based; none given: the quarters of the depth.
        vv_depth: last blocks with a V-V stream; -1: from the first tap on.

    Raises:
        ArtefactNotFoundError: there are no such weights (the message says where to get them).
        ArtefactError: the file is damaged or no plain CLIP ViT.
        InputError: an option does not fit the backbone.
    """
    chosen: dict[str, Any] = {"image_size": image_size, "taps": taps, "vv_depth": vv_depth}
    text = os.fspath(source)
    if text == MINI:
        path = Path(str(resources.files("res2clip.mini") / "mini.safetensors"))
        return _from_file(path, name=MINI, weights="packaged", licence="Apache-2.0", **chosen)
    before_tag = text.partition(":")[0]
    if Path(before_tag).suffix or os.sep in before_tag:
        path = Path(text)
        return _from_file(path, name=path.stem, weights=path.name, licence="see source", **chosen)
    from res2clip.open_clip_source import load_open_clip

    found = load_open_clip(text)
    return _build(
        found.tensors,
        found.sizes,
        name=found.name,
        weights=found.tag,
        licence="see source",
        quick_gelu=found.quick_gelu,
        **chosen,
    )


def _from_file(path: Path, **options: Any) -> Backbone:
    tensors = read_tensors(path)
    return _build(tensors, clip_sizes(tensors), quick_gelu=True, **options)


def _build(
    tensors: dict[str, Tensor],
    sizes: ClipSizes,
    *,
    name: str,
    weights: str,
    licence: str,
    quick_gelu: bool,
    image_size: int | None,
    taps: tuple[int, ...],
    vv_depth: int,
) -> Backbone:
    if image_size is not None and image_size < sizes.patch_size:
        raise InputError(f"image_size={image_size} is smaller than one patch, {sizes.patch_size}")
    config = VisionConfig(
        width=sizes.vision_width,
        depth=sizes.vision_depth,
        heads=sizes.vision_heads,
        patch_size=sizes.patch_size,
        embed_dim=sizes.embed_dim,
        native_size_px=sizes.native_size_px,
        image_size_px=image_size or _INSPECTION_SIZE_PX.get(name, sizes.native_size_px),
        quick_gelu=quick_gelu,
        taps=taps,
        vv_depth=vv_depth,
    )
    with torch.device("meta"):  # takes no memory: the file's tensors become its weights
        tower = VisionTower(config)
    try:
        tower.load_state_dict(vision_tensors(tensors), strict=True, assign=True)
    except RuntimeError as err:
        raise ArtefactError(
            f"the weights of {name} are not a plain CLIP ViT: {str(err).splitlines()[-1].strip()}"
        ) from err
    tower.requires_grad_(False).eval()
    text = TextConfig(
        embed_dim=sizes.embed_dim,
        width=sizes.text_width,
        depth=sizes.text_depth,
        heads=sizes.text_heads,
        context_length=sizes.context_length,
        vocab_size=sizes.vocab_size,
        quick_gelu=quick_gelu,
    )
    return Backbone(
        name=name,
        weights=weights,
        licence=licence,
        tower=tower,
        text=text,
        text_weights=text_tensors(tensors),
    )
