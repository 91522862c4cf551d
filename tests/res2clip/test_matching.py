"""Matching against definitions written plainly."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from res2clip.matching import GAMMA, Matcher, Strategy, sparsemax
from res2clip_runtime.errors import InputError
from res2clip_runtime.stages import grid_rho

finite_scores = hnp.arrays(
    np.float64, st.integers(1, 40), elements=st.floats(-5, 5, allow_subnormal=False)
)


@settings(deadline=None)
@given(finite_scores)
def test_sparsemax_is_the_nearest_point_of_the_simplex(scores: np.ndarray) -> None:
    weights = sparsemax(torch.from_numpy(scores)).numpy()
    assert weights.sum() == pytest.approx(1, abs=1e-9)
    assert (weights >= 0).all()
    # Optimality: inside the support z - w is one constant tau, outside z is not above it.
    tau = (scores - weights)[weights > 0]
    assert np.ptp(tau) < 1e-9
    assert (scores[weights == 0] <= tau.max() + 1e-9).all()


@pytest.mark.parametrize("support", [63, 64, 65, 300])
def test_sparsemax_spreads_over_more_scores_than_it_sorts_at_first(support: int) -> None:
    scores = torch.full((2, 400), -3.0)
    scores[:, 50 : 50 + support] = 0.5
    weights = sparsemax(scores)
    assert torch.allclose(weights[:, 50 : 50 + support], torch.tensor(1 / support))
    assert torch.count_nonzero(weights[0]) == support


def test_sparsemax_of_equal_scores_is_uniform() -> None:
    assert torch.allclose(sparsemax(torch.full((3, 7), 0.3)), torch.full((3, 7), 1 / 7))


def unit(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.nn.functional.normalize(torch.randn(*shape, generator=generator), dim=-1)


def test_a_picture_matched_with_itself_leaves_almost_nothing() -> None:
    patches = unit(1, 2, 9, 16)
    rho = torch.from_numpy(grid_rho(3))
    nearest = Matcher(Strategy.parse("radial_1nn"), 3)(patches, patches[0], rho)
    assert nearest.abs().max() < 1e-6


def test_the_penalty_is_the_ring_distance_whatever_bank_it_comes_from() -> None:
    patches, bank = unit(1, 1, 9, 16), unit(1, 5, 16, seed=1)
    rho = torch.tensor([0.0, 0.5, 1.0, 1.2, 3.0])
    residual = Matcher(Strategy.parse("sparse_radial_knn"), 3)(patches, bank, rho)
    own = np.hypot(*np.meshgrid(np.arange(3) - 1, np.arange(3) - 1, indexing="ij")).reshape(-1)
    scores = patches[0, 0].double() @ bank[0].double().T
    scores -= GAMMA * torch.from_numpy(np.abs(own[:, None] - rho.numpy()[None]))
    mixed = sparsemax(scores) @ bank[0].double()
    expected = patches[0, 0] - mixed / mixed.norm(dim=-1, keepdim=True)
    assert torch.allclose(residual[0, 0].double(), expected, atol=1e-6)


def test_more_neighbours_than_references_is_no_error() -> None:
    patches, bank = unit(1, 1, 9, 16), unit(1, 2, 16, seed=1)
    residual = Matcher(Strategy.parse("none_5nn"), 3)(patches, bank, torch.zeros(2))
    assert torch.isfinite(residual).all()


@pytest.mark.parametrize("name", ["sparse", "radial_0nn", "", "global_3nn", "radial_knn"])
def test_an_unknown_strategy_says_what_exists(name: str) -> None:
    with pytest.raises(InputError, match="sparse_radial_knn"):
        Strategy.parse(name)


def test_the_local_penalty_wants_whole_pictures() -> None:
    with pytest.raises(InputError, match="whole pictures"):
        Matcher(Strategy.parse("local_1nn"), 3)(unit(1, 1, 9, 16), unit(1, 5, 16), torch.zeros(5))
