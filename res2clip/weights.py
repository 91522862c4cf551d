"""CLIP checkpoints in OpenAI's layout: from a file to fp32 tensors and sizes."""

from __future__ import annotations

import hashlib
import math
import re
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from res2clip.archive import check_inflation, is_torchscript_archive, read_torchscript_tensors
from res2clip_runtime.errors import ArtefactError, ArtefactNotFoundError

__all__ = [
    "ClipSizes",
    "clip_sizes",
    "read_tensors",
    "require_stored",
    "tensors_digest",
    "text_tensors",
    "unpickle_tensors",
    "vision_tensors",
]

_HEAD_WIDTH = 64
"""OpenAI's rule: one attention head for every 64 channels."""

_NOT_WEIGHTS = ("input_resolution", "context_length", "vocab_size", "attn_mask")
"""Entries of OpenAI's archives that describe the model and are not learned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipSizes:
    """Sizes of both towers, as far as tensors tell them."""

    embed_dim: int
    """D, width of the joint space."""
    vision_width: int
    """Channels of the vision tower."""
    vision_depth: int
    """Blocks of the vision tower."""
    vision_heads: int
    """Attention heads of the vision tower."""
    patch_size: int
    """Side of a patch in pixels."""
    native_size_px: int
    """Side of the pictures the positional embedding was made for."""
    text_width: int
    """Channels of the text tower."""
    text_depth: int
    """Blocks of the text tower."""
    text_heads: int
    """Attention heads of the text tower."""
    context_length: int
    """Tokens in a prompt."""
    vocab_size: int
    """Known tokens."""


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Return the fp32 tensors of a local checkpoint by OpenAI's names; no code in it is run.

    Reads ``.safetensors``, a ``.pt`` state dict, and a TorchScript archive.

    Raises:
        ArtefactNotFoundError: there is no such file.
        ArtefactError: it is damaged, holds code, or is in another layout.
    """
    if not path.is_file():
        raise ArtefactNotFoundError(f"no weights at {path}; check the path")
    try:
        if path.suffix == ".safetensors":
            raw: dict[str, object] = dict(load_file(path))
        elif is_torchscript_archive(path):
            check_inflation(path)
            raw = dict(read_torchscript_tensors(path))
        else:
            raw = _state_dict(unpickle_tensors(path))
    except SafetensorError as err:
        raise ArtefactError(f"{path} cannot be read as weights ({err}); download it again") from err
    return _as_openai(raw, path)


def unpickle_tensors(path: Path) -> object:
    """Return what ``torch.save`` wrote to ``path``, if it is tensors and plain containers only.

    Raises:
        ArtefactError: it holds anything else, or is damaged.
    """
    if zipfile.is_zipfile(path):
        check_inflation(path)
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as err:  # its restricted unpickler lets KeyError and others through
        reason = (str(err).splitlines() or [type(err).__name__])[0]
        raise ArtefactError(
            f"{path} cannot be read as weights ({reason}); download it again"
        ) from err


def require_stored(value: Tensor, where: str) -> None:
    """Refuse a tensor whose elements are not all in the file: a few bytes may claim terabytes.

    Raises:
        ArtefactError: it is such a tensor, or a sparse or quantised one.
    """
    plain = value.layout is torch.strided and not value.is_quantized and not value.is_meta
    if plain and value.numel() * value.element_size() <= value.untyped_storage().nbytes():
        return
    raise ArtefactError(
        f"{where} {tuple(value.shape)} is not stored element by element; download it again"
    )


def clip_sizes(tensors: Mapping[str, Tensor]) -> ClipSizes:
    """Return the sizes of a checkpoint in OpenAI's layout; heads by OpenAI's rule, width / 64.

    Raises:
        ArtefactError: a tensor is missing or has an impossible shape.
    """
    try:
        convolution = tensors["visual.conv1.weight"]
        positions = tensors["visual.positional_embedding"].shape[0] - 1
        vision_width, patch = int(convolution.shape[0]), int(convolution.shape[-1])
        text_width = int(tensors["ln_final.weight"].shape[0])
        sizes = ClipSizes(
            embed_dim=int(tensors["visual.proj"].shape[1]),
            vision_width=vision_width,
            vision_depth=_depth(tensors, "visual.transformer"),
            vision_heads=vision_width // _HEAD_WIDTH,
            patch_size=patch,
            native_size_px=math.isqrt(positions) * patch,
            text_width=text_width,
            text_depth=_depth(tensors, "transformer"),
            text_heads=text_width // _HEAD_WIDTH,
            context_length=int(tensors["positional_embedding"].shape[0]),
            vocab_size=int(tensors["token_embedding.weight"].shape[0]),
        )
    except KeyError as err:
        raise ArtefactError(
            f"the checkpoint has no tensor {err}; only plain CLIP ViTs with a class token in "
            "OpenAI's layout are supported (no ResNet, timm or SigLIP towers)"
        ) from err
    if math.isqrt(positions) ** 2 != positions or vision_width % _HEAD_WIDTH:
        raise ArtefactError(
            f"the checkpoint's sizes are impossible for a CLIP ViT: {positions} positions, "
            f"width {vision_width}; expected a square grid and a width that is a multiple of 64"
        )
    return sizes


def vision_tensors(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the vision tower's tensors under their names inside the tower."""
    prefix = "visual."
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def text_tensors(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the text tower's tensors."""
    other = ("visual.", "logit_scale", "logit_bias")
    return {k: v for k, v in tensors.items() if not k.startswith(other)}


def tensors_digest(tensors: Mapping[str, Tensor], extra: Iterable[str] = ()) -> str:
    """Return the sha256 over names, shapes and fp32 bytes in the order of names, and ``extra``."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        value = tensors[name].detach().to(torch.float32).contiguous().cpu()
        digest.update(f"{name}{tuple(value.shape)}".encode())
        digest.update(value.numpy().tobytes())
    for text in extra:
        digest.update(text.encode())
    return digest.hexdigest()


def _state_dict(loaded: object) -> dict[str, object]:
    """Unwrap the dict of training programs (``{"state_dict": ...}``, ``module.`` prefixes)."""
    if isinstance(loaded, Mapping) and isinstance(loaded.get("state_dict"), Mapping):
        loaded = loaded["state_dict"]
    if not isinstance(loaded, Mapping):
        raise ArtefactError(f"the file holds a {type(loaded).__name__}, expected a state dict")
    return {str(name).removeprefix("module."): value for name, value in loaded.items()}


def _as_openai(raw: dict[str, object], path: Path) -> dict[str, Tensor]:
    tensors = {}
    while raw:  # emptied on the way: a large checkpoint is never in memory twice
        name, value = raw.popitem()
        if name.split(".")[-1] in _NOT_WEIGHTS or not isinstance(value, Tensor):
            continue
        require_stored(value, f"{path}: tensor {name}")
        tensors[name] = value.detach().to(torch.float32)
        if not torch.isfinite(tensors[name]).all():
            raise ArtefactError(f"{path}: tensor {name} holds NaN or infinity; download it again")
    return tensors


def _depth(tensors: Mapping[str, Tensor], prefix: str) -> int:
    pattern = re.compile(rf"{re.escape(prefix)}\.resblocks\.(\d+)\.")
    blocks = {int(found[1]) for name in tensors if (found := pattern.match(name))}
    if not blocks or blocks != set(range(len(blocks))):
        raise KeyError(f"{prefix}.resblocks.{len(blocks)}")
    return len(blocks)
