"""The match stage in NumPy, beside the method written plainly in float64, with a sort."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy_model import sparsemax

from res2clip_runtime.cpu import CpuMatcher
from res2clip_runtime.cpu.blas_threads import _openblas, one_blas_thread
from res2clip_runtime.errors import BackendError
from res2clip_runtime.stages import grid_rho

GAMMA = 0.01
LIMIT = 1e-6
"""Of residuals in fp32; a single product of unit vectors is off by up to 1e-7."""


def unit(rng: np.random.Generator, *shape: int) -> npt.NDArray[np.float32]:
    values = rng.normal(size=shape)
    return (values / np.linalg.norm(values, axis=-1, keepdims=True)).astype(np.float32)


def matched(patches, bank, rho, *, grid: int, threads: int = 2, gamma: float = GAMMA):
    with CpuMatcher(grid, gamma, threads=threads) as matcher:
        return matcher.match(patches, bank, rho)


def expected(patches, bank, rho, *, grid: int, gamma: float = GAMMA):
    """Return the residuals in float64, from the whole matrix."""
    offset = np.arange(grid) - (grid - 1) / 2
    own = np.hypot(offset[:, None], offset[None]).ravel()
    patches, bank = patches.astype(np.float64), bank.astype(np.float64)
    scores = patches @ bank.transpose(0, 2, 1) - gamma * np.abs(own[:, None] - rho)
    mixed = sparsemax(scores) @ bank
    return patches - mixed / np.maximum(np.linalg.norm(mixed, axis=-1, keepdims=True), 1e-12)


def assert_equal(actual, wanted) -> None:
    assert actual.dtype == np.float32
    assert actual.shape == wanted.shape
    assert np.isfinite(actual).all()
    assert np.abs(actual - wanted).max() < LIMIT


def like_pictures(rng, *, grid: int, shots: int, dim: int, batch: int = 1, taps: int = 2):
    """Features with much in common, as a tower's are: tens of references get weight."""
    common = 3 * rng.normal(size=(taps, 1, dim)) + 0.5 * rng.normal(size=(taps, grid**2, dim))

    def picture():
        features = common + 0.7 * rng.normal(size=common.shape)
        return (features / np.linalg.norm(features, axis=-1, keepdims=True)).astype(np.float32)

    patches = np.stack([picture() for _ in range(batch)])
    bank = np.concatenate([picture() for _ in range(shots)], axis=1)
    return patches, bank, np.tile(grid_rho(grid), shots)


@pytest.mark.parametrize("shots", [1, 2, 4, 7, 16, 64])
def test_residuals_equal_the_sorted_float64_ones(shots: int) -> None:
    patches, bank, rho = like_pictures(np.random.default_rng(shots), grid=12, shots=shots, dim=48)
    assert_equal(matched(patches, bank, rho, grid=12), expected(patches, bank, rho, grid=12))


@pytest.mark.parametrize("references", [1, 2, 3, 63, 127, 129, 4095, 4096, 4097, 8193])
def test_a_bank_of_any_length_is_matched(references: int) -> None:
    rng = np.random.default_rng(references)
    patches, bank = unit(rng, 1, 1, 25, 16), unit(rng, 1, references, 16)
    rho = rng.uniform(0, 9, references).astype(np.float32)  # as from pictures of other sizes
    assert_equal(matched(patches, bank, rho, grid=5), expected(patches, bank, rho, grid=5))


@pytest.mark.parametrize("grid", [1, 3, 16, 17, 24])
def test_any_grid_is_matched_whole_row_blocks_or_not(grid: int) -> None:
    patches, bank, rho = like_pictures(np.random.default_rng(grid), grid=grid, shots=3, dim=20)
    assert_equal(matched(patches, bank, rho, grid=grid), expected(patches, bank, rho, grid=grid))


def test_pictures_of_a_batch_share_the_bank() -> None:
    patches, bank, rho = like_pictures(
        np.random.default_rng(0), grid=6, shots=2, dim=24, batch=3, taps=3
    )
    assert_equal(matched(patches, bank, rho, grid=6), expected(patches, bank, rho, grid=6))


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(1, 7), st.booleans())
def test_duplicates_and_ties_share_the_weight(seed: int, n: int, copies: int, coarse: bool) -> None:
    rng = np.random.default_rng(seed)
    bank = np.repeat(unit(rng, 1, n, 8), copies, axis=1)
    patches = unit(rng, 1, 1, 9, 8)
    if coarse:  # few distinct values: many scores tie exactly
        bank, patches = np.round(bank * 2) / 2, np.round(patches * 2) / 2
    rho = np.repeat(rng.integers(0, 3, n), copies).astype(np.float32)
    actual = matched(patches, bank, rho, grid=3)
    wanted = expected(patches, bank, rho, grid=3)
    scores_mixed = patches - wanted
    # Where references cancel each other, the mixture's direction is not defined.
    clear = np.linalg.norm(scores_mixed, axis=-1) > 0.5
    np.testing.assert_allclose(actual[clear], wanted[clear], atol=5 * LIMIT)


@pytest.mark.parametrize("references", [1, 100, 5000])
def test_equal_similarities_all_get_the_same_weight(references: int) -> None:
    patch = unit(np.random.default_rng(0), 1, 1, 1, 32)
    patches = np.repeat(patch, 4, axis=2)
    bank = np.repeat(patch[0], references, axis=1)
    residual = matched(patches, bank, np.ones(references, np.float32), grid=2)
    assert np.abs(residual).max() < LIMIT


def test_a_later_column_block_that_fits_much_better_is_found() -> None:
    rng = np.random.default_rng(3)
    patches = unit(rng, 1, 1, 16, 64)
    bank = np.concatenate([unit(rng, 1, 9000, 64), patches[0]], axis=1)
    rho = np.concatenate([np.zeros(9000, np.float32), grid_rho(4)])
    residual = matched(patches, bank, rho, grid=4)
    assert_equal(residual, expected(patches, bank, rho, grid=4))
    assert np.linalg.norm(residual, axis=-1).max() < 0.5


def test_scores_in_descending_blocks_start_from_a_low_bound_and_still_end_exact() -> None:
    # The first block's maxima all lie in one group: the worst start for the bound.
    rng = np.random.default_rng(4)
    patches = unit(rng, 1, 1, 4, 32)
    bank = unit(rng, 1, 6000, 32)
    near = patches[0, 0, :1] + 0.05 * rng.normal(size=(200, 32))
    bank[0, : 200 * 20 : 20] = near / np.linalg.norm(near, axis=1, keepdims=True)
    rho = np.zeros(6000, np.float32)
    assert_equal(matched(patches, bank, rho, grid=2), expected(patches, bank, rho, grid=2))


def test_without_a_penalty_positions_do_not_count() -> None:
    patches, bank, rho = like_pictures(np.random.default_rng(5), grid=5, shots=2, dim=16)
    shuffled = np.random.default_rng(6).permutation(rho)
    first = matched(patches, bank, rho, grid=5, gamma=0.0)
    np.testing.assert_array_equal(first, matched(patches, bank, shuffled, grid=5, gamma=0.0))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("shots", [1, 40])
def test_a_damaged_patch_gets_nan_and_no_other(bad: float, shots: int) -> None:
    patches, bank, rho = like_pictures(np.random.default_rng(7), grid=12, shots=shots, dim=16)
    sound = matched(patches, bank, rho, grid=12)
    patches[0, 1, 5, 3] = bad
    residual = matched(patches, bank, rho, grid=12)
    assert np.isnan(residual[0, 1, 5]).all()
    residual[0, 1, 5] = sound[0, 1, 5]
    np.testing.assert_array_equal(residual, sound)


@pytest.mark.parametrize("where", [0, 5000, -1])
def test_a_damaged_reference_is_never_passed_over(where: int) -> None:
    patches, bank, rho = like_pictures(np.random.default_rng(8), grid=12, shots=40, dim=16)
    bank[0, where, 0] = np.nan
    residual = matched(patches, bank, rho, grid=12)
    assert np.isnan(residual[:, 0]).all()
    assert np.isfinite(residual[:, 1]).all()


def test_the_number_of_threads_changes_nothing_beyond_rounding() -> None:
    patches, bank, rho = like_pictures(np.random.default_rng(9), grid=24, shots=8, dim=32)
    alone = matched(patches, bank, rho, grid=24, threads=1)
    # More threads take smaller blocks, and some of BLAS's kernels sum those in another order.
    shared = matched(patches, bank, rho, grid=24, threads=5)
    np.testing.assert_allclose(shared, alone, rtol=0, atol=1e-6)


def test_two_threads_may_use_one_matcher() -> None:
    patches, bank, rho = like_pictures(np.random.default_rng(10), grid=12, shots=8, dim=32)
    with CpuMatcher(12, GAMMA, threads=2) as matcher, ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda _: matcher.match(patches, bank, rho), range(6)))
    for result in results:
        np.testing.assert_array_equal(result, results[0])


def test_inputs_stay_as_they_were_and_need_not_be_contiguous() -> None:
    patches, bank, rho = like_pictures(np.random.default_rng(11), grid=6, shots=2, dim=24)
    apart = np.asfortranarray(patches), bank[:, ::-1][:, ::-1], np.repeat(rho, 2)[::2]
    before = [array.copy() for array in (patches, bank, rho)]
    np.testing.assert_array_equal(matched(*apart, grid=6), matched(patches, bank, rho, grid=6))
    for array, copy in zip((patches, bank, rho), before, strict=True):
        np.testing.assert_array_equal(array, copy)


@pytest.mark.parametrize(
    ("patches", "bank", "rho"),
    [((1, 2, 9, 8), (2, 0, 8), 0), ((1, 2, 9, 8), (2, 5, 8), 4), ((1, 2, 8, 8), (2, 5, 8), 5)],
)
def test_shapes_that_do_not_fit_are_refused(patches, bank, rho) -> None:
    arrays = [np.zeros(shape, np.float32) for shape in (patches, bank, (rho,))]
    with pytest.raises(BackendError, match="expected"):
        matched(*arrays, grid=3)


def test_a_closed_matcher_says_so() -> None:
    matcher = CpuMatcher(3, GAMMA)
    matcher.close()
    matcher.close()
    with pytest.raises(BackendError, match="closed"):
        matcher.match(*like_pictures(np.random.default_rng(0), grid=3, shots=1, dim=8))


def test_the_whole_matrix_is_never_in_memory() -> None:
    import tracemalloc

    patches, bank, rho = like_pictures(np.random.default_rng(12), grid=40, shots=8, dim=8, taps=1)
    whole = patches.shape[2] * bank.shape[1] * 4  # 82 MB
    with CpuMatcher(40, GAMMA, threads=2) as matcher:
        tracemalloc.start()
        matcher.match(patches, bank, rho)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < whole / 2


def test_products_run_in_one_thread_inside_and_as_before_outside() -> None:
    control = _openblas()
    if control is None:
        pytest.skip("this NumPy's matrix products are not OpenBLAS's; nothing is changed then")
    before = control[0]()
    inside = []
    barrier = threading.Barrier(3)

    def use() -> None:
        with one_blas_thread():
            barrier.wait()
            inside.append(control[0]())
            barrier.wait()

    users = [threading.Thread(target=use) for _ in range(3)]
    for user in users:
        user.start()
    for user in users:
        user.join()
    assert inside == [1, 1, 1]
    assert control[0]() == before
