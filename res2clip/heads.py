"""Head weights: the five groups of adapters, from and to files (method.md, section 5)."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from res2clip.adapters import MultiScaleConvAdapter, ResidualAdapter
from res2clip.weights import require_stored, unpickle_tensors
from res2clip_runtime.errors import ArtefactError, ArtefactNotFoundError
from res2clip_runtime.storage import write_atomically

__all__ = ["ResidualHeads", "load_heads", "read_heads", "save_heads", "save_published"]

GROUPS = (
    "vis_adapters",
    "res_vis_local_adapters",
    "res_vis_global_adapter",
    "res_text_adapter",
    "text_adapter",
)
"""Keys of the published checkpoints: A, B, B_g, C_res, C."""
MINI_HEADS = "mini"
PACKAGED = Path(str(resources.files("res2clip.mini"))) / "heads.safetensors"
"""The heads of res2clip-mini, trained on drawn products (docs/mini.md)."""


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

    Args:
        path: of the file, or ``mini``: the packaged heads of res2clip-mini.
        taps: tapped blocks of the backbone.
        dim: D.

    Raises:
        ArtefactNotFoundError: there is no such file.
        ArtefactError: it is damaged, or made for other taps or another width.
    """
    path = PACKAGED if os.fspath(path) == MINI_HEADS else Path(path)
    tensors = _read(path)
    heads = ResidualHeads(taps, dim)
    try:
        heads.load_state_dict(tensors, strict=True)
    except RuntimeError as err:
        raise ArtefactError(
            f"{path} does not fit this backbone (taps {tuple(taps)}, width {dim}): "
            f"{str(err).splitlines()[-1].strip()}"
        ) from err
    return heads.requires_grad_(False).eval()


def read_heads(path: Path) -> ResidualHeads:
    """Return the heads of a file in either format, taps and width as the file says.

    Raises:
        ArtefactNotFoundError: there is no such file.
        ArtefactError: it is damaged, or holds no heads.
    """
    names = _read(path)
    taps = {
        int(k.split(".")[1]) for k in names if re.fullmatch(r"vis_adapters\.\d+\.up\.weight", k)
    }
    widths = [names[f"vis_adapters.{tap}.up.weight"].shape[0] for tap in taps]
    if not taps:
        raise ArtefactError(f"{path} holds no residual heads; give the file that training wrote")
    return load_heads(path, taps=sorted(taps), dim=widths[0])


def save_published(heads: ResidualHeads, path: Path) -> None:
    """Write the heads as the published ``.pth``: a dict of five state dicts.

    Raises:
        OutputError: the file cannot be written.
    """
    groups = {
        group: {k: t.detach().float().cpu() for k, t in module.state_dict().items()}
        for group, module in ((group, heads.get_submodule(group)) for group in GROUPS)
    }
    data = io.BytesIO()
    torch.save(groups, data)
    write_atomically(path, data.getvalue())


def save_heads(heads: ResidualHeads, path: Path) -> None:
    """Write the heads as safetensors, fp32.

    Raises:
        OutputError: the file cannot be written.
    """
    tensors = {name: t.detach().float().cpu() for name, t in heads.state_dict().items()}
    write_atomically(path, save(tensors))


def _read(path: Path) -> dict[str, Tensor]:
    """Return the tensors of either format, fp32 and finite."""
    if not path.is_file():
        raise ArtefactNotFoundError(f"no head weights at {path} (--heads); check the path")
    try:
        tensors = load_file(path) if path.suffix == ".safetensors" else _published(path)
    except SafetensorError as err:
        raise ArtefactError(f"{path} cannot be read as weights ({err}); copy it again") from err
    if not all(isinstance(value, Tensor) for value in tensors.values()):
        raise ArtefactError(f"{path} holds something else than tensors; copy it again")
    for name, value in tensors.items():
        require_stored(value, f"{path}: tensor {name}")
    if odd := [name for name, value in tensors.items() if not torch.isfinite(value).all()]:
        raise ArtefactError(f"{path}: {odd[0]} holds NaN or infinity; train the heads again")
    return {name: value.float() for name, value in tensors.items()}


def _published(path: Path) -> dict[str, Tensor]:
    loaded = unpickle_tensors(path)
    if not isinstance(loaded, Mapping) or not set(GROUPS) <= set(loaded):
        raise ArtefactError(f"{path} is not a head checkpoint; expected the groups {GROUPS}")
    if not all(isinstance(loaded[group], Mapping) for group in GROUPS):
        raise ArtefactError(f"{path} is not a head checkpoint; its groups are no state dicts")
    return {f"{group}.{name}": value for group in GROUPS for name, value in loaded[group].items()}
