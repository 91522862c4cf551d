"""The score kernels on the host shim against the runtime's NumPy score."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from gpu.host_kernels import CSRC, HostKernels
from gpu.score_on_host import check_score, drawn_maps, score_on_host, spec_of

from res2clip_runtime.kernels import score_plan
from res2clip_runtime.kernels.score_plan import image_score
from res2clip_runtime.score import bilinear_matrix, gaussian_matrix, score, top_mean


def branches_of(maps: np.ndarray, size: int) -> np.ndarray:
    """Return the branch maps after upsampling and one Gaussian."""
    once = gaussian_matrix(size) @ bilinear_matrix(maps.shape[-1], size)
    return (once @ maps.astype(np.float64) @ once.T).astype(np.float32)


def test_small_hard_cases_equal_numpy(kernels: HostKernels) -> None:
    check_score(kernels)


@pytest.mark.parametrize(("grid", "patch"), [(1, 7), (2, 3), (3, 1), (8, 8), (13, 2)])
def test_any_size_equals_numpy(kernels: HostKernels, grid: int, patch: int) -> None:
    spec, maps = spec_of(grid, patch, residual_weight=0.1), drawn_maps(1, grid, seed=grid)
    scores = np.array([0.3, 0.7], dtype=np.float32)
    scored, expected = score_on_host(kernels, spec, maps), score(maps[0], scores, spec)
    assert scored.anomaly_map.shape == (1, grid * patch, grid * patch)
    assert np.isfinite(scored.anomaly_map).all()
    np.testing.assert_allclose(scored.anomaly_map[0], expected.anomaly_map, rtol=0, atol=2e-6)
    made = image_score(scored.tops[0], scores, spec)
    assert made == pytest.approx(expected.image_score, abs=2e-6)


def test_the_means_are_those_of_the_highest_hundredth(kernels: HostKernels) -> None:
    spec, maps = spec_of(6, 9), drawn_maps(3, 6)
    tops = score_on_host(kernels, spec, maps).tops
    expected = [[top_mean(one) for one in branches] for branches in branches_of(maps, 54)]
    np.testing.assert_allclose(tops, expected, rtol=3e-7, atol=3e-7)


@pytest.mark.parametrize("value", [0.0, -0.0, 1.5, -2.0])
def test_equal_pixels_are_counted_as_often_as_they_are_among_the_highest(
    kernels: HostKernels, value: float
) -> None:
    """One cell: the inside of the map is one value, thousands of ties."""
    spec = spec_of(1, 40)
    maps = np.full((1, 3, 1, 1), value, dtype=np.float32)
    tops = score_on_host(kernels, spec, maps).tops
    expected = top_mean(branches_of(maps, 40)[0, 0])
    np.testing.assert_allclose(tops, expected, rtol=1e-6, atol=0)


def test_only_pixels_inside_the_region_count(kernels: HostKernels) -> None:
    spec, maps = spec_of(4, 12), drawn_maps(1, 4)
    mask = np.zeros((48, 48), dtype=np.uint8)
    mask[7:40, 3:20] = 1
    scored = score_on_host(kernels, spec, maps, mask)
    inside = mask.astype(bool)
    for branch, top in zip(branches_of(maps, 48)[0], scored.tops[0], strict=True):
        assert top == pytest.approx(top_mean(branch[inside]), abs=1e-6)
    assert scored.peaks[0].value == scored.anomaly_map[0][inside].max()
    assert inside[scored.peaks[0].row, scored.peaks[0].column]


def test_empty_region_gives_no_finite_mean(kernels: HostKernels) -> None:
    mask = np.zeros((48, 48), dtype=np.uint8)
    assert np.isnan(score_on_host(kernels, spec_of(4, 12), drawn_maps(1, 4), mask).tops).all()


@pytest.mark.parametrize("bad", [np.nan, -np.nan, np.inf])
def test_damaged_map_never_gives_a_finite_mean(kernels: HostKernels, bad: float) -> None:
    maps = drawn_maps(2, 4)
    maps[0, 1, 2, 2] = bad
    scored = score_on_host(kernels, spec_of(4, 12), maps)
    assert not np.isfinite(scored.tops[0, 1])
    assert not np.isfinite(scored.peaks[0].value)
    assert np.isfinite(scored.tops[0, [0, 2]]).all()
    assert np.isfinite(scored.tops[1]).all()


def test_among_equal_peaks_the_first_is_named(kernels: HostKernels) -> None:
    maps = np.zeros((1, 3, 1, 1), dtype=np.float32)
    peak = score_on_host(kernels, spec_of(1, 32), maps).peaks[0]
    assert (peak.value, peak.row, peak.column) == (0.0, 0, 0)


@pytest.mark.slow
def test_size_of_a_large_encoder_equals_numpy(host_library: Path) -> None:
    spec, maps = spec_of(37, 14), drawn_maps(1, 37)
    scores = np.array([0.3, 0.7], dtype=np.float32)
    scored = score_on_host(HostKernels(host_library), spec, maps)
    expected = score(maps[0], scores, spec)
    np.testing.assert_allclose(scored.anomaly_map[0], expected.anomaly_map, rtol=0, atol=2e-6)
    made = image_score(scored.tops[0], scores, spec)
    assert made == pytest.approx(expected.image_score, abs=2e-6)


def test_host_code_and_kernels_agree_on_threads() -> None:
    text = (CSRC / "score.cuh").read_text(encoding="utf-8")
    assert f"TOP_THREADS = {score_plan.TOP_THREADS};" in text
    assert f"MAP_THREADS = {score_plan.MAP_THREADS};" in text
