"""Harmless differences between two pictures of one thing: pose, lighting, exposure, blur, noise."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["Poses", "draw_poses", "expose", "seen_by", "warp"]

Poses = Tensor
"""(N, 2, 3) affine maps from a view's normalised coordinates to its source's."""


def _uniform(shape: tuple[int, ...], low: float, high: float, rng: torch.Generator) -> Tensor:
    return torch.rand(shape, generator=rng) * (high - low) + low


def draw_poses(count: int, amplitude: Tensor, *, zoom: float, rng: torch.Generator) -> Poses:
    """Return ``count`` random poses: turned up to 8 degrees, scaled and moved up to 8 %.

    Args:
        count: number of views, N.
        amplitude: (N,) in [0, 1]; how much of those ranges is used.
        zoom: scale that every pose has besides; below 1 a view sees part of its source.
        rng: source of randomness.
    """
    angle = _uniform((count,), -0.14, 0.14, rng) * amplitude
    scale = zoom * torch.exp(_uniform((count,), -0.08, 0.08, rng) * amplitude)
    shift = _uniform((count, 2), -0.16, 0.16, rng) * amplitude[:, None]
    cos, sin = scale * angle.cos(), scale * angle.sin()
    linear = torch.stack([torch.stack([cos, -sin], -1), torch.stack([sin, cos], -1)], 1)
    return torch.cat([linear, shift[:, :, None]], dim=2)


def warp(image: Tensor, poses: Poses, size_px: int) -> Tensor:
    """Return (N, C, size_px, size_px) views of (N, C, H, W) pictures, mirrored at the borders."""
    grid = F.affine_grid(poses, [len(image), image.shape[1], size_px, size_px], align_corners=False)
    return F.grid_sample(image, grid, padding_mode="reflection", align_corners=False)


def seen_by(query: Poses, reference: Poses, grid: int) -> Tensor:
    """Return (N, grid * grid) bool: which patches of the query view the reference view shows."""
    centres = F.affine_grid(query, [len(query), 1, grid, grid], align_corners=False).flatten(1, 2)
    inverse = torch.linalg.inv(reference[:, :, :2])
    back = (centres - reference[:, None, :, 2]) @ inverse.transpose(1, 2)  # (N, P, 2)
    return back.abs().amax(dim=-1) <= 1.0


def expose(image: Tensor, amplitude: Tensor, *, rng: torch.Generator) -> Tensor:
    """Return (N, 3, H, W) pictures in [0, 1] under other light and through another lens.

    Args:
        image: (N, 3, H, W) float in [0, 1].
        amplitude: (N,) in [0, 1]; how far exposure, colour, shading, blur and noise go.
        rng: source of randomness.
    """
    count, side = len(image), image.shape[-1]
    a = amplitude[:, None, None, None]
    gamma = torch.exp(_uniform((count, 1, 1, 1), -0.25, 0.25, rng) * a)
    gain = torch.exp(_uniform((count, 3, 1, 1), -0.06, 0.06, rng) * a)
    gain = gain * torch.exp(_uniform((count, 1, 1, 1), -0.2, 0.2, rng) * a)
    field = F.interpolate(
        _uniform((count, 1, 3, 3), -0.2, 0.2, rng), size=(side, side), mode="bicubic"
    )
    out = image.clamp(1e-3, 1) ** gamma * gain * torch.exp(field * a)
    out = out + _uniform((count, 1, 1, 1), -0.04, 0.04, rng) * a
    soft = F.avg_pool2d(F.pad(out, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    out = torch.lerp(out, soft, _uniform((count, 1, 1, 1), -0.5, 0.8, rng).clamp(0) * a)
    noise = torch.randn(out.shape, generator=rng) * _uniform((count, 1, 1, 1), 0.0, 0.03, rng) * a
    return (out + noise).clamp(0, 1)
