"""Random fields: clouds, streaks, cells and smooth curves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import fft, ndimage

from res2clip.drawing.field import Field, Rng


def clouds(
    rng: Rng,
    size_px: int,
    *,
    wavelength: float,
    roughness: float = 1.0,
    stretch: float = 1.0,
    angle: float = 0.0,
) -> Field:
    """Stationary noise of mean 0 and deviation 1, shaped in the frequency domain.

    Args:
        rng: source of randomness.
        size_px: side of the square field.
        wavelength: of the largest structures, the picture being 2 wide.
        roughness: how fast small structures fade; 1 is cloudy, 0.6 grainy, 2 very smooth.
        stretch: how much longer structures are along `angle` than across it.
        angle: direction of the stretch in radians.

    Returns:
        (size_px, size_px) float32.
    """
    down = (fft.fftfreq(size_px) * (size_px / 2.0)).astype(np.float32)[:, None]
    right = (fft.rfftfreq(size_px) * (size_px / 2.0)).astype(np.float32)[None, :]
    cos, sin = float(np.cos(angle)), float(np.sin(angle))
    along = (right * cos + down * sin) * (stretch * wavelength)
    across = (down * cos - right * sin) * wavelength
    amplitude = (1.0 + along * along + across * across) ** np.float32(-roughness)
    amplitude[0, 0] = 0.0
    parts = rng.standard_normal((2, *amplitude.shape), dtype=np.float32)
    field: Field = fft.irfft2((parts[0] + 1j * parts[1]) * amplitude, s=(size_px, size_px))
    return (field / (float(field.std()) + 1e-9)).astype(np.float32)


def drift(rng: Rng, size_px: int, *, wavelength: float, amount: float) -> tuple[Field, Field]:
    """Two unrelated smooth displacements of the given deviation, for the price of one."""
    first = amount * clouds(rng, size_px, wavelength=wavelength, roughness=1.2)
    return first, np.roll(first, (size_px // 3, size_px // 2), axis=(0, 1))


def grit(rng: Rng, size_px: int) -> Field:
    """White noise of mean 0 and deviation 1, (size_px, size_px) float32."""
    return rng.standard_normal((size_px, size_px), dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Cells:
    """A Voronoi pattern at each pixel."""

    nearest: Field
    """(H, W) distance to the nearest seed point, in cells."""
    second: Field
    """(H, W) distance to the second nearest."""
    tone: Field
    """(H, W) a random number in 0..1 that is constant within a cell."""


def cells(rng: Rng, u: Field, v: Field, *, jitter: float = 0.9) -> Cells:
    """The cells around one random point in each unit square of the (u, v) plane (Worley 1996)."""
    table = rng.random((3, 64 * 64), dtype=np.float32)
    table[:2] = 0.5 + (table[:2] - 0.5) * np.float32(jitter)
    column, row = np.floor(u).astype(np.int32), np.floor(v).astype(np.int32)
    part_u, part_v = (u - column).astype(np.float32), (v - row).astype(np.float32)
    nearest = np.full(u.shape, 9.0, np.float32)
    second, tone = nearest.copy(), np.zeros(u.shape, np.float32)
    for i in (-1, 0, 1):
        for j in (-1, 0, 1):
            name = (((row + i) & 63) << 6) | ((column + j) & 63)
            gap = (table[0].take(name) + np.float32(j) - part_u) ** 2
            gap += (table[1].take(name) + np.float32(i) - part_v) ** 2
            closer = gap < nearest
            np.minimum(second, np.maximum(nearest, gap), out=second)
            np.minimum(nearest, gap, out=nearest)
            np.copyto(tone, table[2].take(name), where=closer)
    return Cells(np.sqrt(nearest), np.sqrt(second), tone)


def lookup(table: Field, position: Field) -> Field:
    """The table read at `position` (0..1, periodic), linearly interpolated, float32."""
    count = len(table)
    place = np.mod(position, 1.0) * count
    left = place.astype(np.intp)
    part = (place - left).astype(np.float32)
    left %= count
    read: Field = table[left] * (1.0 - part) + table[(left + 1) % count] * part
    return read


def curve(rng: Rng, count: int, *, smooth: float = 1.0) -> Field:
    """A periodic random curve of `count` samples, mean 0, deviation 1, float32."""
    table: Field = rng.standard_normal(count).astype(np.float32)
    if smooth > 0:
        table = ndimage.gaussian_filter1d(table, smooth, mode="wrap")
    table -= table.mean()
    return table / (float(table.std()) + 1e-9)
