"""A cache of drawn products: drawing costs more than training can wait for, so it is done once."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from safetensors.numpy import load_file, save_file
from torch import Tensor

from res2clip.drawing import FAMILIES, Product, draw
from res2clip.mini.episode import VIEWS, Episodes, by_view
from res2clip.mini.nuisance import draw_poses, expose, warp

__all__ = ["DrawnBank", "DrawnProduct", "draw_products", "drawn_episodes", "load_products"]

_SIZE_PX = 208
_GOOD = 4
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DrawnProduct:
    """Pictures of one drawn product."""

    name: str
    """Family and number."""
    good: npt.NDArray[np.uint8]
    """(N, H, W, 3) RGB of good parts."""
    flawed: npt.NDArray[np.uint8]
    """(M, H, W, 3) RGB of flawed parts."""
    masks: npt.NDArray[np.uint8]
    """(M, H, W) 1 where the flaw is."""
    good_captions: tuple[str, ...]
    """Sentences that fit any good picture."""
    flawed_captions: tuple[tuple[str, ...], ...]
    """Per flawed picture, sentences that fit it."""


DrawnBank = tuple[DrawnProduct, ...]


def draw_products(directory: Path, *, per_family: int, first: int = 1) -> Iterator[str]:
    """Draw products ``first`` .. of every family into ``directory``; yields names when done.

    Files that exist are kept, so that an interrupted call can be repeated.
    """
    directory.mkdir(parents=True, exist_ok=True)
    for number in range(first, first + per_family):
        for family in sorted(FAMILIES):
            file = directory / f"{family}_{number}.safetensors"
            if not file.exists():
                _save(_drawn(Product(family, number)), file)
            yield file.stem


def load_products(directory: Path, *, numbers: range | None = None) -> DrawnBank:
    """Return the products in ``directory``, of ``numbers`` only if given."""
    products = []
    for file in sorted(directory.glob("*.safetensors")):
        number = int(file.stem.rpartition("_")[2])
        if numbers is None or number in numbers:
            products.append(_load(file))
    _log.info("%d drawn products", len(products))
    return tuple(products)


def _drawn(product: Product) -> DrawnProduct:
    good = [draw(product, seed=seed, size_px=_SIZE_PX) for seed in range(_GOOD)]
    flawed = [
        draw(product, seed=1000 + seed, size_px=_SIZE_PX, defect=defect)
        for seed, defect in enumerate(product.defects)
    ]
    return DrawnProduct(
        product.name,
        np.stack([d.image_rgb_u8 for d in good]),
        np.stack([d.image_rgb_u8 for d in flawed]),
        np.stack([d.mask for d in flawed]).astype(np.uint8),
        tuple(dict.fromkeys(c for d in good for c in d.captions)),
        tuple(d.captions for d in flawed),
    )


def _save(product: DrawnProduct, file: Path) -> None:
    words = {"good": product.good_captions, "flawed": product.flawed_captions}
    arrays = {"good": product.good, "flawed": product.flawed, "masks": product.masks}
    unfinished = file.with_suffix(".part")
    save_file(arrays, unfinished, metadata={"captions": json.dumps(words)})
    unfinished.rename(file)


def _load(file: Path) -> DrawnProduct:
    from safetensors import safe_open

    arrays = load_file(file)
    with safe_open(file, framework="numpy") as opened:
        words = json.loads(opened.metadata()["captions"])
    return DrawnProduct(
        file.stem,
        arrays["good"],
        arrays["flawed"],
        arrays["masks"],
        tuple(words["good"]),
        tuple(tuple(c) for c in words["flawed"]),
    )


def drawn_episodes(
    bank: DrawnBank, count: int, *, size_px: int, patch_px: int, rng: np.random.Generator
) -> Episodes:
    """Return episodes of two good parts and a flawed one of the same drawn product."""
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    views, masks, captions = [], [], []
    for _ in range(count):
        product = bank[rng.integers(len(bank))]
        first, second = rng.permutation(len(product.good))[:2]
        which = int(rng.integers(len(product.flawed)))
        views.append(np.stack([product.good[first], product.good[second], product.flawed[which]]))
        masks.append(product.masks[which])
        flawed_words = product.flawed_captions[which]
        captions.append(
            (
                product.good_captions[rng.integers(len(product.good_captions))],
                flawed_words[rng.integers(len(flawed_words))],
            )
        )
    images = torch.from_numpy(np.stack(views)).permute(0, 1, 4, 2, 3).float() / 255
    flaws = torch.from_numpy(np.stack(masks)).float()
    return _seen_anew(images, flaws, tuple(captions), size_px, patch_px, generator)


def _seen_anew(
    images: Tensor,
    flaws: Tensor,
    captions: tuple[tuple[str, str], ...],
    size_px: int,
    patch_px: int,
    rng: torch.Generator,
) -> Episodes:
    """Resize, turn and expose drawn views a little differently; the drawing did most of it."""
    count = len(images)
    amount = 0.4 * torch.rand(count, generator=rng).repeat_interleave(VIEWS)
    zoom = float(0.6 + 0.45 * torch.rand((), generator=rng))  # whole pictures, or closer to a part
    poses = by_view(draw_poses(count * VIEWS, amount, zoom=zoom, rng=rng))
    if zoom < 0.9:  # all views of an episode look at the same place, where the flaw is
        poses = torch.cat([poses[..., :2], poses[..., 2:] + _towards(flaws, zoom)], dim=-1)
    stacked = torch.cat([images, flaws[:, None, None].expand(-1, VIEWS, 1, -1, -1)], dim=2)
    side = round(size_px / zoom / 8) * 8
    if side < images.shape[-1] * 0.75:  # antialias before sampling far below the drawn size
        flat = stacked.flatten(0, 1)
        stacked = by_view(F.interpolate(flat, size=(side, side), mode="area"))
    views = warp(stacked.flatten(0, 1), poses.flatten(0, 1), size_px)
    mirrored = (torch.rand(count, generator=rng) < 0.5).repeat_interleave(VIEWS)
    views = torch.where(mirrored[:, None, None, None], views.flip(3), views)
    light = 0.6 * torch.rand(count, generator=rng).repeat_interleave(VIEWS)
    exposed = by_view(expose(views[:, :3].clamp(0, 1), light, rng=rng))
    masks = (by_view(views[:, 3])[:, 2] > 0.4).float()
    grid = size_px // patch_px
    seen = torch.ones((count, VIEWS, grid * grid), dtype=torch.bool)
    return Episodes(exposed, masks, seen, captions)


def _towards(flaws: Tensor, zoom: float) -> Tensor:
    """Return (E, 1, 2, 1) shifts that keep each flaw's centre of mass in a close-up."""
    axis = torch.linspace(-1, 1, flaws.shape[-1])
    total = flaws.sum((1, 2)).clamp(min=1)
    x = (flaws.sum(1) * axis).sum(1) / total
    y = (flaws.sum(2) * axis).sum(1) / total
    reach = 1 - zoom
    return torch.stack([x, y], dim=1).clamp(-reach, reach)[:, None, :, None]
