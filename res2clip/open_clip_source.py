"""Weights by open_clip's names and tags."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from res2clip.weights import ClipSizes, clip_sizes, read_tensors
from res2clip_runtime.errors import (
    ArtefactError,
    ArtefactNotFoundError,
    InputError,
    MissingExtraError,
)
from res2clip_runtime.spec import CLIP_MEAN, CLIP_STD

__all__ = ["OpenClipWeights", "load_open_clip"]

_DEFAULT_TAG = "openai"
_PLAIN_VISION = {"layers", "width", "head_width", "patch_size", "image_size", "mlp_ratio"}
_PLAIN_TEXT = {"context_length", "vocab_size", "width", "heads", "layers", "mlp_ratio"}
_DEFAULT_HEAD_WIDTH = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenClipWeights:
    """A model of open_clip as tensors in OpenAI's layout."""

    name: str
    """open_clip's model name."""
    tag: str
    """open_clip's weights tag, or a file."""
    tensors: dict[str, Tensor] = field(repr=False)
    """fp32, OpenAI's names."""
    sizes: ClipSizes
    """Sizes, heads as open_clip's configuration says."""
    quick_gelu: bool
    """Which activation the weights were trained with."""


def load_open_clip(source: str) -> OpenClipWeights:
    """Return the weights called ``NAME[:TAG]``; the tag may be a local file (default: openai).

    Raises:
        InputError: open_clip knows no such name or tag.
        ArtefactError: the model is not a plain CLIP ViT.
        ArtefactNotFoundError: the weights are not on this machine and cannot be downloaded.
        MissingExtraError: open_clip is not installed.
    """
    name, _, tag = source.partition(":")
    tag = tag or _DEFAULT_TAG
    try:
        import open_clip
    except ImportError as err:
        raise MissingExtraError(
            "open_clip_torch", extra="train", purpose="loading a backbone by name"
        ) from err
    config = _plain_config(open_clip, name)
    facts: dict[str, Any] = {}
    if Path(tag).is_file():
        tensors = read_tensors(Path(tag))
    else:
        facts = _tag_facts(open_clip, name, tag)
        tensors = _download(open_clip, name, tag, facts)
    vision = config["vision_cfg"]
    sizes = dataclasses.replace(
        clip_sizes(tensors),
        vision_heads=int(vision["width"]) // int(vision.get("head_width", _DEFAULT_HEAD_WIDTH)),
        text_heads=int(config["text_cfg"]["heads"]),
    )
    # Some tags were trained with QuickGELU although their model's configuration has plain GELU.
    quick_gelu = bool(config.get("quick_gelu") or facts.get("quick_gelu"))
    return OpenClipWeights(name=name, tag=tag, tensors=tensors, sizes=sizes, quick_gelu=quick_gelu)


def _download(open_clip: Any, name: str, tag: str, facts: dict[str, Any]) -> dict[str, Tensor]:
    try:
        model = open_clip.create_model(name, pretrained=tag, precision="fp32", device="cpu")
    except Exception as err:  # whatever the download or the hub's client raises
        raise ArtefactNotFoundError(_how_to_get(open_clip, name, tag, facts, err)) from err
    state = model.state_dict()
    return {key: value.detach() for key, value in state.items() if key != "attn_mask"}


def _plain_config(open_clip: Any, name: str) -> dict[str, Any]:
    config: dict[str, Any] | None = open_clip.get_model_config(name)
    if config is None:
        raise InputError(
            f"open_clip knows no model '{name}' (--backbone); use mini, a name such as "
            "ViT-L-14-336-quickgelu:openai, or the path of a local file"
        )
    vision, text = config["vision_cfg"], config["text_cfg"]
    odd = (
        (set(vision) - _PLAIN_VISION) | (set(text) - _PLAIN_TEXT) | (set(config) & {"custom_text"})
    )
    if odd or not isinstance(vision.get("layers"), int) or vision.get("mlp_ratio", 4.0) != 4.0:
        reason = ", ".join(sorted(odd)) or "layers"
        raise ArtefactError(
            f"'{name}' is not a plain CLIP ViT with a class token ({reason}); "
            "timm, SigLIP, ResNet and other special towers are not supported"
        )
    return config


def _tag_facts(open_clip: Any, name: str, tag: str) -> dict[str, Any]:
    """Return what open_clip knows of the weights; refuse what cannot be used."""
    tags = open_clip.list_pretrained_tags_by_model(name)
    if tag not in tags:
        raise InputError(f"'{name}' has no weights '{tag}'; open_clip lists: {', '.join(tags)}")
    facts: dict[str, Any] = open_clip.get_pretrained_cfg(name, tag) or {}
    mean, std = tuple(facts.get("mean") or CLIP_MEAN), tuple(facts.get("std") or CLIP_STD)
    if mean != CLIP_MEAN or std != CLIP_STD:
        raise ArtefactError(
            f"'{name}:{tag}' was trained with other colour statistics than CLIP's; not supported"
        )
    return facts


def _how_to_get(open_clip: Any, name: str, tag: str, facts: dict[str, Any], err: Exception) -> str:
    where = facts.get("url") or f"https://huggingface.co/{str(facts.get('hf_hub', '')).strip('/')}"
    if tag == _DEFAULT_TAG:
        local = "/path/to/file"
    elif facts.get("quick_gelu") and not open_clip.get_model_config(name).get("quick_gelu"):
        local = f"{name}-quickgelu:/path/to/file"
    else:
        local = f"{name}:/path/to/file"
    return (
        f"the weights {name}:{tag} are not on this machine and could not be downloaded "
        f"({type(err).__name__}). On a machine with internet, download {where} , copy the file "
        f"here and use --backbone {local} ; behind a mirror, set HF_ENDPOINT to it. "
        "Without internet, --backbone mini works at once"
    )
