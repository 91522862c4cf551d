"""A match on the host shim, and the same written plainly in NumPy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy_model import sparsemax

from gpu.host_kernels import HostKernels
from res2clip_runtime.kernels.match_plan import (
    MatchBuffers,
    MatchSize,
    match_launches,
)
from res2clip_runtime.stages import grid_rho

__all__ = [
    "Matched",
    "assert_equals_plain",
    "check_match",
    "drawn_inputs",
    "match_on_host",
    "plain_match",
    "unit_rows",
]

RUBBISH = 0xA5


@dataclass
class Matched:
    residual: np.ndarray
    norm: np.ndarray
    along: np.ndarray
    counts: np.ndarray
    """After match_residual: how many candidates the first kernel left, or BROKEN, or WIDE."""


def unit_rows(*shape: int, seed: int = 0, spread: float = 1.0) -> np.ndarray:
    """Return random unit rows; a small ``spread`` makes them alike."""
    rng = np.random.default_rng(seed)
    rows = np.random.default_rng(99).normal(size=shape[-1]) + spread * rng.normal(size=shape)
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


def match_on_host(
    kernels: HostKernels,
    size: MatchSize,
    queries: np.ndarray,
    bank: np.ndarray,
    bank_rho: np.ndarray,
    direction: np.ndarray | None = None,
) -> Matched:
    """Return what the kernels make of (B, T, P, D), (T, N, D) fp16, (N,) and (D,)."""
    memory = {name: np.full(n, RUBBISH, np.uint8) for name, n in size.buffer_bytes.items()}
    inputs = {"queries": queries, "bank": bank, "bank_rho": bank_rho}
    if direction is not None:
        inputs["direction"] = direction
    for name, values in inputs.items():
        assert values.nbytes == memory[name].nbytes, name
        memory[name] = np.ascontiguousarray(values)
    buffers = MatchBuffers(**{**memory, "direction": direction})
    kernels.run(match_launches(size, buffers))
    shape = (size.batch, size.taps, size.patches)
    return Matched(
        residual=memory["residual"].view(np.float32).reshape(*shape, size.depth),
        norm=memory["norm"].view(np.float32).reshape(shape),
        along=memory["along"].view(np.float32).reshape(shape),
        counts=memory["counts"].view(np.int32).reshape(*shape, size.splits),
    )


def plain_match(
    size: MatchSize, queries: np.ndarray, bank: np.ndarray, bank_rho: np.ndarray
) -> np.ndarray:
    """Return (B, T, P, D) float64 residuals by method.md, section 4, with a sort."""
    queries, bank = queries.astype(np.float64), bank.astype(np.float64)
    similarity = queries @ bank.transpose(0, 2, 1)
    penalised = similarity - size.gamma * _distances(size, bank_rho)
    if size.neighbours:
        weights = _nearest_weights(similarity, penalised, size.neighbours)
    else:
        weights = sparsemax(penalised)
    mixed = weights @ bank
    return queries - mixed / np.maximum(np.linalg.norm(mixed, axis=-1, keepdims=True), 1e-12)


def _distances(size: MatchSize, bank_rho: np.ndarray) -> np.ndarray:
    if size.penalty == "radial":
        return np.abs(grid_rho(size.grid)[:, None].astype(np.float64) - bank_rho)
    if size.penalty == "none":
        return np.zeros((size.patches, size.references))
    cells = np.stack(np.divmod(np.arange(size.patches), size.grid), axis=1)
    between = np.linalg.norm(cells[:, None] - cells[None], axis=-1)
    return np.tile(between, (1, size.references // size.patches))


def _nearest_weights(similarity: np.ndarray, penalised: np.ndarray, count: int) -> np.ndarray:
    best = np.argsort(-penalised, axis=-1, kind="stable")[..., :count]
    weights = np.zeros_like(similarity)
    chosen = np.exp(np.take_along_axis(similarity, best, axis=-1) / 0.05)
    np.put_along_axis(weights, best, chosen / chosen.sum(axis=-1, keepdims=True), axis=-1)
    return weights


def check_match(kernels: HostKernels) -> None:
    """Assert on small hard cases that the kernels equal the plain match; mutants fail here."""
    cases = (
        # Odd sizes, more references than a tile and a list hold, tails in every direction.
        (MatchSize(batch=1, taps=2, grid=3, depth=48, references=650, gamma=0.01), 0.1),
        (MatchSize(batch=1, taps=1, grid=12, depth=32, references=130, gamma=0.01, splits=2), 0.2),
        (MatchSize(batch=1, taps=1, grid=3, depth=16, references=70, gamma=0.1, neighbours=3), 1.0),
    )
    for size, spread in cases:
        queries, bank, rho = drawn_inputs(size, spread=spread)
        direction = unit_rows(size.depth, seed=7)
        matched = match_on_host(kernels, size, queries, bank, rho, direction)
        assert_equals_plain(matched, size, queries, bank, rho, direction)
    # All similarities below zero: whatever is taken for a reference beyond the last one would win.
    size = MatchSize(batch=1, taps=1, grid=2, depth=16, references=21, gamma=0.01)
    queries, bank, rho = drawn_inputs(size)
    matched = match_on_host(kernels, size, -queries, bank, rho, direction[:16])
    assert_equals_plain(matched, size, -queries, bank, rho, direction[:16])
    # More candidates than a list holds, with two different scores.
    size = MatchSize(batch=1, taps=1, grid=1, depth=16, references=650, gamma=0.01)
    queries, bank, rho = drawn_inputs(size)
    bank[:], rho[:] = bank[:, :1], np.arange(650) % 2 * 0.05
    matched = match_on_host(kernels, size, queries, bank, rho, direction[:16])
    assert_equals_plain(matched, size, queries, bank, rho, direction[:16], atol=1e-5)


def drawn_inputs(
    size: MatchSize, *, spread: float = 0.3, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return random queries, bank and bank_rho."""
    queries = unit_rows(size.batch, size.taps, size.patches, size.depth, seed=seed, spread=spread)
    bank = unit_rows(size.taps, size.references, size.depth, seed=seed + 1, spread=spread)
    rho = np.random.default_rng(seed + 2).uniform(0, size.grid * 0.7, size.references)
    return queries, bank.astype(np.float16), rho.astype(np.float32)


def assert_equals_plain(
    matched: Matched,
    size: MatchSize,
    queries: np.ndarray,
    bank: np.ndarray,
    rho: np.ndarray,
    direction: np.ndarray,
    *,
    atol: float = 1e-6,
) -> None:
    expected = plain_match(size, queries, bank, rho)
    assert matched.residual.shape == expected.shape
    assert np.isfinite(matched.residual).all()
    np.testing.assert_allclose(matched.residual, expected, rtol=0, atol=atol)
    np.testing.assert_allclose(matched.norm, np.linalg.norm(expected, axis=-1), rtol=0, atol=atol)
    np.testing.assert_allclose(matched.along, expected @ direction, rtol=0, atol=atol)
