"""The exported sparsemax equals the sorted one, from 1 to 64 shots and on hard inputs."""

from __future__ import annotations

import pytest
import torch

from res2clip.matching import sparsemax
from res2clip_export.sparsemax_unrolled import sparsemax_unrolled

PATCHES = 81


def cosines(generator: torch.Generator, count: int) -> torch.Tensor:
    return 0.95 - 0.4 * torch.rand(1, 40, count, generator=generator).sqrt()


@pytest.mark.parametrize("shots", [1, 2, 3, 4, 8, 16, 64])
def test_it_equals_the_sorted_sparsemax(shots: int) -> None:
    scores = cosines(torch.Generator().manual_seed(shots), shots * PATCHES)
    exact = sparsemax(scores.double())
    assert (sparsemax_unrolled(scores).double() - exact).abs().max() < 1e-6


@pytest.mark.parametrize("shots", [1, 4, 16])
def test_it_equals_it_at_the_papers_grid(shots: int) -> None:
    scores = cosines(torch.Generator().manual_seed(shots), shots * 37 * 37)
    exact = sparsemax(scores.double())
    assert (sparsemax_unrolled(scores).double() - exact).abs().max() < 1e-6


HARD = {
    "one reference": torch.tensor([[[0.4]]]),
    "all equal": torch.full((1, 2, 1369), 0.7),
    "one winner": torch.cat([torch.ones(1, 1, 1), torch.full((1, 1, 999), -1.0)], -1),
    "ramp": torch.linspace(0, 1e-3, 5000).expand(1, 1, -1),
    "steep ramp": torch.linspace(-1, 1, 5000).expand(1, 1, -1),
    "twins": torch.linspace(0.5, 0.9, 300).repeat(4)[None, None],
    "geometric": (-(0.9 ** torch.arange(2000.0)))[None, None],
    "odd length": torch.linspace(0.2, 0.9, 17)[None, None],
}


@pytest.mark.parametrize("name", HARD)
def test_hard_inputs_are_exact_too(name: str) -> None:
    scores = HARD[name].clone()
    weights = sparsemax_unrolled(scores).double()
    assert torch.isfinite(weights).all()
    assert (weights - sparsemax(scores.double())).abs().max() < 1e-6
