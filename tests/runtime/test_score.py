from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy_model import NumpyModel
from scipy import ndimage

from res2clip_runtime.score import bilinear_matrix, gaussian_matrix, score, top_mean
from res2clip_runtime.spec import MethodSpec


def spec_of(grid: int, patch: int) -> MethodSpec:
    return dataclasses.replace(NumpyModel().spec, image_size_px=grid * patch, patch_size_px=patch)


def upsampled(values: np.ndarray, size: int) -> np.ndarray:
    """Bilinear with half-pixel centres, clamped at the edge, one pixel at a time."""
    grid = len(values)
    out = np.zeros((size, size))
    for row in range(size):
        for column in range(size):
            y = min(max((row + 0.5) * grid / size - 0.5, 0), grid - 1)
            x = min(max((column + 0.5) * grid / size - 0.5, 0), grid - 1)
            top, left = int(y), int(x)
            bottom, right = min(top + 1, grid - 1), min(left + 1, grid - 1)
            v, u = y - top, x - left
            out[row, column] = (1 - v) * ((1 - u) * values[top, left] + u * values[top, right]) + (
                v * ((1 - u) * values[bottom, left] + u * values[bottom, right])
            )
    return out


def blurred(image: np.ndarray) -> np.ndarray:
    """5 x 5 Gaussian of sigma 4, zeros beyond the edge."""
    weights = np.exp(-0.5 * (np.arange(-2, 3) / 4.0) ** 2)
    kernel = np.outer(weights, weights)
    return ndimage.convolve(image, kernel / kernel.sum(), mode="constant")


@pytest.mark.parametrize(("grid", "patch"), [(1, 7), (2, 3), (3, 5), (7, 3), (8, 8), (5, 14)])
def test_map_and_score_equal_a_plain_reference(grid: int, patch: int) -> None:
    rng = np.random.default_rng(grid * 100 + patch)
    maps = rng.normal(size=(3, grid, grid)).astype(np.float32)
    scores = rng.normal(size=2).astype(np.float32)
    spec = spec_of(grid, patch)
    branches = [blurred(upsampled(one, grid * patch)) for one in maps]
    fused = 0.1 * branches[0] + branches[1] + 1.0 * branches[2]
    best = [np.sort(b, axis=None)[::-1][: max(1, b.size // 100)].mean() for b in branches]
    expected = (best[0] + scores[0]) / 2 + best[1] + (best[2] + scores[1]) / 2

    scored = score(maps, scores, spec)

    assert scored.anomaly_map.shape == (grid * patch, grid * patch)
    assert scored.anomaly_map.dtype == np.float32
    assert np.isfinite(scored.anomaly_map).all()
    np.testing.assert_allclose(scored.anomaly_map, blurred(fused), atol=2e-6)
    assert scored.image_score == pytest.approx(expected, abs=2e-6)


def test_fine_tuned_weights_are_used() -> None:
    rng = np.random.default_rng(1)
    maps = rng.random((3, 4, 4)).astype(np.float32)
    zero = np.zeros(2, dtype=np.float32)
    full = score(maps, zero, spec_of(4, 4))
    tuned = score(maps, zero, dataclasses.replace(spec_of(4, 4), residual_weight=0.1))
    residual = blurred(blurred(upsampled(maps[2], 16)))
    difference = full.anomaly_map - tuned.anomaly_map
    np.testing.assert_allclose(difference, 0.9 * residual, atol=2e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_damaged_map_never_gives_a_finite_score(bad: float) -> None:
    maps = np.zeros((3, 4, 4), dtype=np.float32)
    maps[1, 2, 2] = bad
    with np.errstate(invalid="ignore"):
        scored = score(maps, np.zeros(2, dtype=np.float32), spec_of(4, 4))
    assert not np.isfinite(scored.image_score)


@given(st.integers(1, 40), st.integers(1, 90))
def test_bilinear_rows_are_weights(source: int, target: int) -> None:
    matrix = bilinear_matrix(source, target)
    assert (matrix >= 0).all()
    np.testing.assert_allclose(matrix.sum(axis=1), 1)


def test_gaussian_keeps_the_inside_and_darkens_the_edge() -> None:
    rows = gaussian_matrix(9).sum(axis=1)
    np.testing.assert_allclose(rows[2:-2], 1)
    assert rows[0] < rows[1] < 1


@given(st.lists(st.floats(-1e3, 1e3, width=32), min_size=1, max_size=400))
def test_top_mean_is_the_mean_of_the_highest_hundredth(values: list[float]) -> None:
    array = np.array(values, dtype=np.float32)
    count = max(1, len(values) // 100)
    expected = np.sort(array.astype(np.float64))[-count:].mean()
    assert top_mean(array) == pytest.approx(expected, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("shape", ["noise", "one peak", "equal", "stripes", "rare peaks"])
def test_top_mean_is_exact_whatever_a_sample_of_the_pixels_shows(shape: str) -> None:
    rng = np.random.default_rng(0)
    pixels = np.zeros((200, 150), dtype=np.float32)
    if shape == "noise":
        pixels[:] = rng.normal(size=pixels.shape)
    elif shape == "one peak":
        pixels[90:95, 60:64] = 1 + rng.random((5, 4))
    elif shape == "stripes":  # only the sampled columns are high, so the limit is too high
        pixels[:, ::15] = 5 + np.arange(200, dtype=np.float32)[:, None]
    elif shape == "rare peaks":  # none of them is sampled
        pixels.ravel()[7::100] = rng.random(300)
    expected = np.sort(pixels, axis=None)[-300:].astype(np.float64).mean()
    assert top_mean(pixels) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("where", [(0, 0), (0, 1), (133, 77)])
def test_one_damaged_pixel_makes_the_top_mean_nan(where: tuple[int, int]) -> None:
    pixels = np.random.default_rng(1).random((200, 150)).astype(np.float32)
    pixels[where] = np.nan
    assert np.isnan(top_mean(pixels))
