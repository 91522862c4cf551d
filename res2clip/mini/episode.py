"""An episode: three views of one thing, two of them good, the third flawed, with its mask."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from res2clip.mini.nuisance import draw_poses, expose, seen_by, warp
from res2clip.mini.pasted_defects import paste_defect
from res2clip.mini.photos import PhotoBank

__all__ = ["VIEWS", "Episodes", "by_view", "join_episodes", "patch_labels", "photo_episodes"]

VIEWS = 3
_MARGIN = 1.2  # side of a source crop over that of a view, so that views can move in it
_FLAW_WORDS = {"cut": "foreign patch", "blur": "smear"}


@dataclass(frozen=True, slots=True)
class Episodes:
    """E episodes of three views each: good, good, flawed."""

    images: Tensor
    """(E, 3, 3, S, S) float in [0, 1]."""
    masks: Tensor
    """(E, S, S) float, 1 where the third view is flawed."""
    seen: Tensor
    """(E, 3, P) bool: patches of a view which the view it is matched with shows too."""
    captions: tuple[tuple[str, str], ...]
    """Per episode: a caption of the good views and one of the flawed view; "" for none."""


def photo_episodes(
    bank: PhotoBank, count: int, *, size_px: int, patch_px: int, rng: np.random.Generator
) -> Episodes:
    """Return episodes made from crops of photos with flaws pasted in."""
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    crops = [bank.crop(rng, int(size_px * _MARGIN)) for _ in range(count + 1)]
    source = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).float() / 255
    source = _recolour(source, generator)
    foreign = source[1:, :, :size_px, :size_px]
    pose_amount = torch.rand(count, generator=generator).repeat_interleave(VIEWS)
    poses = draw_poses(count * VIEWS, pose_amount, zoom=1 / _MARGIN, rng=generator)
    views = warp(source[:count].repeat_interleave(VIEWS, 0), poses, size_px)
    views = by_view(views).clamp(0, 1)
    masks, captions = [], []
    for index in range(count):
        flawed, mask, flaw = paste_defect(
            views[index, 2].permute(1, 2, 0).numpy(), foreign[index].permute(1, 2, 0).numpy(), rng
        )
        views[index, 2] = torch.from_numpy(flawed).permute(2, 0, 1)
        masks.append(torch.from_numpy(mask))
        captions.append(("", "a photo of a surface with a " + _FLAW_WORDS.get(flaw, flaw)))
    light = torch.rand(count, generator=generator).repeat_interleave(VIEWS)
    images = by_view(expose(views.flatten(0, 1), light, rng=generator))
    seen = _seen(by_view(poses), size_px // patch_px)
    return Episodes(images, torch.stack(masks), seen, tuple(captions))


def by_view(stacked: Tensor) -> Tensor:
    """Return (E, 3, ...) of the (E * 3, ...) views of E episodes."""
    return stacked.reshape(-1, VIEWS, *stacked.shape[1:])


def join_episodes(parts: list[Episodes]) -> Episodes:
    """Return all episodes of ``parts`` (same picture size) in one."""
    return Episodes(
        torch.cat([p.images for p in parts]),
        torch.cat([p.masks for p in parts]),
        torch.cat([p.seen for p in parts]),
        tuple(c for p in parts for c in p.captions),
    )


def patch_labels(masks: Tensor, patch_px: int) -> tuple[Tensor, Tensor]:
    """Return (E, P) bool each: flawed patches, and patches that are surely clean.

    A patch is flawed from 12 % cover on, or half of the flaw's best cover if all of it is thin.
    """
    cover = F.avg_pool2d(masks[:, None], patch_px).flatten(1)
    least = torch.clamp(0.5 * cover.amax(dim=1, keepdim=True), max=0.12)
    return (cover >= least) & (cover > 0), cover == 0


def _seen(poses: Tensor, grid: int) -> Tensor:
    def pair(query: int, reference: int) -> Tensor:
        return seen_by(poses[:, query], poses[:, reference], grid)

    return torch.stack([pair(0, 1), pair(1, 0), pair(2, 0)], dim=1)


def _recolour(source: Tensor, rng: torch.Generator) -> Tensor:
    """Return (N, 3, H, W) crops, some grey, inverted, mirrored, or stretched in contrast."""

    def chance(probability: float) -> Tensor:
        return (torch.rand((len(source), 1, 1, 1), generator=rng) < probability).float()

    source = torch.lerp(source, source.mean(1, keepdim=True).expand_as(source), chance(0.3))
    source = torch.lerp(source, 1 - source, chance(0.2))
    source = torch.lerp(source, source.flip(3), chance(0.5))
    low = source.amin((1, 2, 3), keepdim=True)
    high = source.amax((1, 2, 3), keepdim=True)
    span = (high - low).clamp(min=0.1)
    return torch.lerp(source, (source - low) / span, 0.7 * chance(0.5))
