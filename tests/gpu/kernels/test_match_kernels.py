"""The match kernels on the host shim against method.md, section 4, written plainly."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
from gpu.host_kernels import CSRC, HostKernels, build_host_kernels
from gpu.match_on_host import (
    assert_equals_plain,
    check_match,
    drawn_inputs,
    match_on_host,
    plain_match,
    unit_rows,
)
from gpu.mutant import run_check

from res2clip_runtime.errors import InputError
from res2clip_runtime.kernels import match_plan
from res2clip_runtime.kernels.match_plan import MatchSize

BROKEN, WIDE = -1, -2


def size_of(**changes: object) -> MatchSize:
    size = MatchSize(batch=1, taps=1, grid=3, depth=32, references=40, gamma=0.01)
    return dataclasses.replace(size, **changes)


def test_hard_small_cases_equal_numpy(kernels: HostKernels) -> None:
    check_match(kernels)


@pytest.mark.parametrize(
    "size",
    [
        size_of(references=1),
        size_of(grid=1, references=129, depth=16),
        size_of(batch=2, taps=3, grid=2, depth=64, references=127),
        size_of(grid=12, references=144, depth=272),
        size_of(references=1500, depth=16, splits=3),
        size_of(references=1500, depth=16, splits=8),
        size_of(penalty="none"),
        size_of(penalty="local", references=27),
        size_of(gamma=0.3),
        size_of(neighbours=1),
        size_of(neighbours=5, references=700, splits=2),
        size_of(neighbours=5, penalty="local", references=18),
        size_of(neighbours=3, references=2),
    ],
    ids=str,
)
def test_any_size_and_strategy_equals_numpy(kernels: HostKernels, size: MatchSize) -> None:
    queries, bank, rho = drawn_inputs(size)
    direction = unit_rows(size.depth, seed=9)
    matched = match_on_host(kernels, size, queries, bank, rho, direction)
    assert_equals_plain(matched, size, queries, bank, rho, direction)
    assert (matched.counts >= 0).all()


@pytest.mark.parametrize("spread", [0.02, 0.1, 3.0])
def test_few_and_many_references_with_weight(kernels: HostKernels, spread: float) -> None:
    size = size_of(references=900, depth=64)
    queries, bank, rho = drawn_inputs(size, spread=spread)
    direction = unit_rows(size.depth, seed=9)
    matched = match_on_host(kernels, size, queries, bank, rho, direction)
    assert_equals_plain(matched, size, queries, bank, rho, direction)


def test_a_picture_matched_with_itself_leaves_almost_nothing(kernels: HostKernels) -> None:
    size = size_of(references=9, neighbours=1)
    _, bank, _ = drawn_inputs(size, spread=2.0)
    queries = bank[None].astype(np.float32)
    queries /= np.linalg.norm(queries, axis=-1, keepdims=True)
    rho = np.hypot(*(np.indices((3, 3)) - 1)).reshape(-1).astype(np.float32)
    matched = match_on_host(kernels, size, queries, bank, rho)
    assert np.abs(matched.residual).max() < 1e-6


def test_references_given_several_times_share_the_weight(kernels: HostKernels) -> None:
    """Ties everywhere, and far more of them than a list holds."""
    size = size_of(references=700)
    queries, bank, rho = drawn_inputs(size)
    bank, rho = np.repeat(bank[:, :7], 100, axis=1), np.repeat(rho[:7], 100)
    direction = unit_rows(32, seed=9)
    matched = match_on_host(kernels, size, queries, bank, rho, direction)
    # Equal references have equal rounding errors, which do not average out.
    assert_equals_plain(matched, size, queries, bank, rho, direction, atol=5e-6)


@pytest.mark.parametrize(("neighbours", "splits"), [(0, 1), (0, 2), (4, 1)])
def test_all_equal_similarities_take_the_wide_way(
    kernels: HostKernels, neighbours: int, splits: int
) -> None:
    size = size_of(references=1100, neighbours=neighbours, splits=splits)
    queries, bank, rho = drawn_inputs(size)
    bank[:], rho[:] = bank[:, :1], 1.0
    matched = match_on_host(kernels, size, queries, bank, rho, unit_rows(32, seed=9))
    assert (matched.counts[..., 0] == WIDE).all()
    # 1,100 equal terms are added one after the other in fp32.
    assert_equals_plain(matched, size, queries, bank, rho, unit_rows(32, seed=9), atol=1e-5)


def test_among_equals_the_first_neighbours_win(kernels: HostKernels) -> None:
    size = size_of(references=6, neighbours=2, gamma=0.0)
    queries, bank, rho = drawn_inputs(size)
    bank[0, 1:5] = bank[0, 1]
    queries[...] = bank[0, 1]  # references 1 to 4 are equally near; 1 and 2 are taken
    expected = plain_match(size, queries, bank, rho)
    matched = match_on_host(kernels, size, queries, bank, rho)
    np.testing.assert_allclose(matched.residual, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("damage", [np.nan, np.inf, -np.inf, 1e6])
def test_damaged_patch_makes_its_own_row_nan_and_no_other(
    kernels: HostKernels, damage: float
) -> None:
    size = size_of(references=300)
    queries, bank, rho = drawn_inputs(size)
    whole = match_on_host(kernels, size, queries, bank, rho, unit_rows(32, seed=9))
    queries[0, 0, 4, 17] = damage
    matched = match_on_host(kernels, size, queries, bank, rho, unit_rows(32, seed=9))
    assert np.isnan(matched.residual[0, 0, 4]).all()
    assert np.isnan(matched.norm[0, 0, 4])
    assert np.isnan(matched.along[0, 0, 4])
    others = np.arange(9) != 4
    np.testing.assert_array_equal(matched.residual[0, 0, others], whole.residual[0, 0, others])


@pytest.mark.parametrize("place", ["bank", "rho"])
def test_damaged_reference_makes_every_row_nan(kernels: HostKernels, place: str) -> None:
    size = size_of(references=300, splits=2)
    queries, bank, rho = drawn_inputs(size)
    if place == "bank":
        bank[0, 299, 0] = np.nan
    else:
        rho[299] = np.nan
    matched = match_on_host(kernels, size, queries, bank, rho)
    assert np.isnan(matched.residual).all()
    assert (matched.counts == BROKEN).any(axis=-1).all()


def test_both_orders_give_the_same_bits(host_library: Path) -> None:
    size = size_of(batch=2, taps=2, references=800, splits=2)
    queries, bank, rho = drawn_inputs(size)
    first, second = (
        match_on_host(HostKernels(host_library, backwards=backwards), size, queries, bank, rho)
        for backwards in (False, True)
    )
    np.testing.assert_array_equal(first.residual, second.residual)
    np.testing.assert_array_equal(first.norm, second.norm)


def test_rounding_the_query_to_fp16_only_chooses(kernels: HostKernels) -> None:
    """The residual is that of the fp32 query: closer to it than fp16 similarities could be."""
    size = size_of(references=900, depth=256)
    queries, bank, rho = drawn_inputs(size, spread=0.5)
    rounded = plain_match(size, queries.astype(np.float16), bank, rho) + (
        queries - queries.astype(np.float16).astype(np.float64)
    )
    exact = plain_match(size, queries, bank, rho)
    matched = match_on_host(kernels, size, queries, bank, rho).residual
    assert np.abs(matched - exact).max() < 0.05 * np.abs(rounded - exact).max()


def test_sizes_that_cannot_be_matched_are_refused() -> None:
    with pytest.raises(InputError, match="multiple of 16"):
        size_of(depth=40)
    with pytest.raises(InputError, match="bank is empty"):
        size_of(references=0)
    with pytest.raises(InputError, match="whole pictures"):
        size_of(penalty="local", references=10)


def test_host_code_and_kernels_agree_on_sizes() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in sorted(CSRC.glob("match*.cuh")))
    constants = dict(re.findall(r"constexpr int (\w+) = (-?\d+);", text))
    for name in ("CAPACITY", "TILE", "RESIDUAL_WARPS"):
        assert int(constants[name]) == getattr(match_plan, name)
    assert int(constants["MATCH_WARPS"]) * 32 == match_plan.MATCH_THREADS
    assert int(constants["WIDE_WARPS"]) * 32 == match_plan.MATCH_THREADS
    assert (int(constants["BROKEN"]), int(constants["WIDE"])) == (BROKEN, WIDE)


def test_bank_is_split_only_for_a_device_that_would_idle() -> None:
    assert MatchSize.splits_for(44, processors=16, references=21904) == 1
    assert MatchSize.splits_for(44, processors=128, references=21904) == 6
    assert MatchSize.splits_for(1, processors=128, references=21904) == match_plan.MOST_SPLITS
    assert MatchSize.splits_for(1, processors=128, references=100) == 1


def test_shim_stops_at_a_barrier_not_all_threads_reach(cuda_toolkit: Path, tmp_path: Path) -> None:
    old = "if (column + SLICE < shape.depth) {"
    change = {"match_candidates.cuh": (old, "if (threadIdx.x < 40) __syncthreads();\n" + old)}
    library = build_host_kernels(tmp_path, cuda_toolkit, changed=change)
    ended = run_check(library, "match")
    assert ended.returncode != 0
    assert "a lane waits for one" in ended.stderr or "not every thread" in ended.stderr
