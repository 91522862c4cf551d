"""Flaws pasted into any picture, with exact masks: scratches, pits, stains, foreign bits."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

__all__ = ["FLAWS", "paste_defect"]

F32 = npt.NDArray[np.float32]
FLAWS = ("scratch", "pit", "stain", "cut", "blur", "crack")
_VISIBLE = 0.06  # mean absolute change inside the mask below which a flaw counts as invisible


def paste_defect(image: F32, foreign: F32, rng: np.random.Generator) -> tuple[F32, F32, str]:
    """Return (flawed picture, mask, flaw name).

    Args:
        image: (S, S, 3) float32 in [0, 1].
        foreign: (S, S, 3) float32 in [0, 1], another picture to cut from.
        rng: source of randomness.

    Returns:
        (S, S, 3) float32, (S, S) float32 mask of 0 and 1, and one of ``FLAWS``.
    """
    flaw = FLAWS[rng.integers(len(FLAWS))]
    side = image.shape[0]
    shape = _line_mask if flaw in ("scratch", "crack") else _blob_mask
    if flaw == "pit" and rng.random() < 0.5:
        shape = _spots_mask
    soft = shape(side, rng)
    flawed = _filled(image, foreign, soft, flaw, rng)
    changed = np.abs(flawed - image).mean(2)
    mask = (soft > 0.3).astype(np.float32)
    if mask.sum() < 3 or (changed * mask).sum() < _VISIBLE * mask.sum():
        target = np.float32(rng.random() < 0.5)  # drive it to black or white, whichever is farther
        if abs(float(image[mask > 0].mean() if mask.any() else 0.5) - target) < 0.4:
            target = np.float32(1 - target)
        flawed = image + (0.6 * soft[..., None]) * (target - image)
    return np.clip(flawed, 0, 1).astype(np.float32), mask, flaw


def _filled(
    image: F32, foreign: F32, soft: F32, flaw: str, rng: np.random.Generator
) -> npt.NDArray[np.float32]:
    alpha = soft[..., None] * np.float32(rng.uniform(0.55, 1.0))
    source: F32
    if flaw == "cut":
        shift = rng.integers(8, image.shape[0] - 8, 2)
        source = foreign if rng.random() < 0.5 else np.roll(image, tuple(shift), (0, 1))
    elif flaw == "blur":
        u8 = Image.fromarray((image * 255).astype(np.uint8))
        blurred = u8.filter(ImageFilter.GaussianBlur(float(rng.uniform(3, 8))))
        source = np.asarray(blurred, np.float32) / np.float32(255) + np.float32(
            rng.uniform(-0.1, 0.1)
        )
    elif flaw == "stain":
        tint = rng.uniform(0.2, 1.0, 3) if rng.random() < 0.6 else np.full(3, rng.uniform(0.3, 0.8))
        source = image * tint.astype(np.float32)
        if rng.random() < 0.3:
            source = 1 - (1 - image) * tint.astype(np.float32)
    else:
        base = image.mean((0, 1))
        step = np.float32(rng.uniform(0.2, 0.6) * (1 if rng.random() < 0.4 else -1))
        colour = rng.normal(0, 0.04, 3).astype(np.float32)
        local = image if rng.random() < 0.5 else np.broadcast_to(base, image.shape)
        source = (local + step + colour).astype(np.float32)
    if flaw in ("pit", "cut", "stain") and rng.random() < 0.35:  # a raised or shaded rim
        rim = np.clip(_blurred(soft, 1.5) - soft * 0.6, 0, 1)[..., None]
        image = (image + rim * np.float32(rng.uniform(-0.5, 0.5))).astype(np.float32)
    out: F32 = image * (1 - alpha) + source * alpha
    return out


def _blob_mask(side: int, rng: np.random.Generator) -> F32:
    """Return a (side, side) soft irregular blob of 0.05 to 8 % of the picture."""
    radius = side * float(np.exp(rng.uniform(np.log(0.018), np.log(0.16))))
    centre = rng.uniform(radius, side - radius, 2)
    ys, xs = np.mgrid[:side, :side].astype(np.float32)
    angle, squeeze = rng.uniform(0, np.pi), rng.uniform(0.4, 1.0)
    dy, dx = ys - centre[0], xs - centre[1]
    u = dx * np.cos(angle) + dy * np.sin(angle)
    v = (dy * np.cos(angle) - dx * np.sin(angle)) / squeeze
    theta = np.arctan2(v, u)
    wobble = sum(
        rng.normal(0, 0.25 / n) * np.cos(n * theta + rng.uniform(0, 6.3)) for n in (2, 3, 5)
    )
    distance = np.hypot(u, v) / (radius * (1 + wobble))
    edge = max(0.8 / radius, float(rng.uniform(0.05, 0.35)))
    return np.clip((1 - distance) / edge + 0.5, 0, 1).astype(np.float32)


def _spots_mask(side: int, rng: np.random.Generator) -> F32:
    """Return a (side, side) soft cluster of small round spots."""
    ys, xs = np.mgrid[:side, :side].astype(np.float32)
    centre = rng.uniform(0.15 * side, 0.85 * side, 2)
    out = np.zeros((side, side), np.float32)
    for _ in range(int(rng.integers(2, 9))):
        y, x = centre + rng.normal(0, 0.07 * side, 2)
        radius = side * rng.uniform(0.008, 0.03)
        out = np.maximum(out, np.clip(radius - np.hypot(ys - y, xs - x) + 0.5, 0, 1))
    return out.astype(np.float32)


def _line_mask(side: int, rng: np.random.Generator) -> F32:
    """Return a (side, side) soft scratch or crack: a wandering line, drawn four times as large."""
    canvas = Image.new("L", (4 * side, 4 * side))
    position = rng.uniform(0.1, 0.9, 2) * 4 * side
    angle, turn = rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.5)
    points = [tuple(position)]
    steps = int(rng.integers(3, 14))
    for _ in range(steps):
        angle += rng.normal(0, turn)
        position = position + 4 * side * rng.uniform(0.015, 0.06) * np.array(
            [np.cos(angle), np.sin(angle)]
        )
        points.append(tuple(position))
    width = int(4 * side / 128 * rng.uniform(0.8, 3.5)) + 1
    ImageDraw.Draw(canvas).line([c for p in points for c in p], fill=255, width=width)
    return np.asarray(canvas.reduce(4), np.float32) / np.float32(255)


def _blurred(mask: F32, sigma_px: float) -> F32:
    u8 = Image.fromarray((mask * 255).astype(np.uint8))
    return np.asarray(u8.filter(ImageFilter.GaussianBlur(sigma_px)), np.float32) / np.float32(255)
