"""Scalar fields over a picture and the elementary operations on them.

A *field* is an (H, W) float32 array, one number a pixel; a colour field is (H, W, 3).
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Field: TypeAlias = npt.NDArray[np.floating]
Rng: TypeAlias = np.random.Generator


def clip01(field: Field) -> Field:
    """The field limited to 0..1."""
    return np.clip(field, 0.0, 1.0)


def ramp(field: Field, low: Field | float, high: Field | float) -> Field:
    """0 below `low`, 1 above `high`, smooth (cubic) in between."""
    t = clip01((field - low) / (high - low))
    return t * t * (3.0 - 2.0 * t)


def mix(first: Field, second: Field | float, weight: Field | float) -> Field:
    """`first` where weight is 0, `second` where it is 1."""
    return first + (second - first) * weight


def bump(squared_distance: Field, sigma: float) -> Field:
    """A Gaussian bell of height 1 over the given squared distances."""
    bell: Field = np.exp(squared_distance * (-0.5 / (sigma * sigma)))
    return bell


def blur(field: Field, sigma_px: float) -> Field:
    """The field blurred over its first two axes; wide blurs are two box filters, which is faster.

    Args:
        field: (H, W) or (H, W, C) float.
        sigma_px: standard deviation of the (nearly) Gaussian kernel.
    """
    if sigma_px < 0.2:
        return field
    if sigma_px < 2.0:
        return _each_axis(
            field, lambda f, a: ndimage.gaussian_filter1d(f, sigma_px, a, truncate=2.5)
        )
    width = max(3, round((6.0 * sigma_px**2 + 1.0) ** 0.5))  # variance of two boxes: (w^2-1)/6
    for _ in range(2):
        field = _each_axis(field, lambda f, a: ndimage.uniform_filter1d(f, width, a))
    return field


def _each_axis(field: Field, along: object) -> Field:
    assert callable(along)
    for axis in (0, 1):
        field = along(field, axis)
    return field


def shifted(field: Field, down_px: float, right_px: float) -> Field:
    """The field moved by whole pixels, its border repeated."""
    down, right = round(down_px), round(right_px)
    rows = np.clip(np.arange(field.shape[0]) - down, 0, field.shape[0] - 1)
    columns = np.clip(np.arange(field.shape[1]) - right, 0, field.shape[1] - 1)
    return field[rows][:, columns]


def slopes(height: Field, pixel: float) -> tuple[Field, Field]:
    """Derivatives of a height field to the right and downwards.

    Args:
        height: (H, W) in product units.
        pixel: how many product units one pixel spans.
    """
    right = np.empty_like(height)
    down = np.empty_like(height)
    right[:, 1:-1] = height[:, 2:] - height[:, :-2]
    right[:, 0], right[:, -1] = right[:, 1], right[:, -2]
    down[1:-1] = height[2:] - height[:-2]
    down[0], down[-1] = down[1], down[-2]
    return right * (0.5 / pixel), down * (0.5 / pixel)
