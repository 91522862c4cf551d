"""Head weights: the five groups of adapters, from and to files (method.md, section 5)."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from res2clip.adapters import MultiScaleConvAdapter, ResidualAdapter
from res2clip.weights import unpickle_tensors
from res2clip_runtime.errors import ArtefactError, ArtefactNotFoundError
from res2clip_runtime.storage import write_atomically

__all__ = ["ResidualHeads", "load_heads", "save_heads"]

GROUPS = (
    "vis_adapters",
    "res_vis_local_adapters",
    "res_vis_global_adapter",
    "res_text_adapter",
    "text_adapter",
)
"""Keys of the published checkpoints: A, B, B_g, C_res, C."""


class ResidualHeads(nn.Module):
    """The five groups of adapters; freshly made, each is the identity."""

    def __init__(self, taps: Sequence[int], dim: int) -> None:
        super().__init__()
        names = [str(tap) for tap in taps]
        self.vis_adapters = nn.ModuleDict({n: MultiScaleConvAdapter(dim) for n in names})
        self.res_vis_local_adapters = nn.ModuleDict({n: MultiScaleConvAdapter(dim) for n in names})
        self.res_vis_global_adapter = ResidualAdapter(dim)
        self.res_text_adapter = ResidualAdapter(dim)
        self.text_adapter = ResidualAdapter(dim)


def load_heads(path: str | os.PathLike[str], *, taps: Sequence[int], dim: int) -> ResidualHeads:
    """Return the heads in our safetensors or in a published ``.pth`` (a dict of five state dicts).

    Raises:
        ArtefactNotFoundError: there is no such file.
        ArtefactError: it is damaged, or made for other taps or another width.
    """
    path = Path(path)
    if not path.is_file():
        raise ArtefactNotFoundError(f"no head weights at {path} (--heads); check the path")
    try:
        tensors = load_file(path) if path.suffix == ".safetensors" else _published(path)
    except SafetensorError as err:
        raise ArtefactError(f"{path} cannot be read as weights ({err}); copy it again") from err
    if not all(isinstance(value, Tensor) for value in tensors.values()):
        raise ArtefactError(f"{path} holds something else than tensors; copy it again")
    if odd := [name for name, value in tensors.items() if not torch.isfinite(value).all()]:
        raise ArtefactError(f"{path}: {odd[0]} holds NaN or infinity; train the heads again")
    heads = ResidualHeads(taps, dim)
    try:
        heads.load_state_dict({k: v.float() for k, v in tensors.items()}, strict=True)
    except RuntimeError as err:
        raise ArtefactError(
            f"{path} does not fit this backbone (taps {tuple(taps)}, width {dim}): "
            f"{str(err).splitlines()[-1].strip()}"
        ) from err
    return heads.requires_grad_(False).eval()


def save_heads(heads: ResidualHeads, path: Path) -> None:
    """Write the heads as safetensors, fp32.

    Raises:
        OutputError: the file cannot be written.
    """
    tensors = {name: t.detach().float().cpu() for name, t in heads.state_dict().items()}
    write_atomically(path, save(tensors))


def _published(path: Path) -> dict[str, Tensor]:
    loaded = unpickle_tensors(path)
    if not isinstance(loaded, Mapping) or not set(GROUPS) <= set(loaded):
        raise ArtefactError(f"{path} is not a head checkpoint; expected the groups {GROUPS}")
    if not all(isinstance(loaded[group], Mapping) for group in GROUPS):
        raise ArtefactError(f"{path} is not a head checkpoint; its groups are no state dicts")
    return {f"{group}.{name}": value for group in GROUPS for name, value in loaded[group].items()}
