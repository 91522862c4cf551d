"""The launches of a match, and the buffers it needs (``csrc/match*.cuh``)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from res2clip_runtime.errors import InputError
from res2clip_runtime.kernels.launch import Buffer, Launch, ceil_divide, null

__all__ = ["PENALTIES", "MatchBuffers", "MatchSize", "half_launch", "match_launches"]

PENALTIES = ("none", "local", "radial")
"""Their numbers are those of ``enum Penalty`` in match.cuh."""

# As in match.cuh, match_candidates.cuh, match_residual.cuh and match_wide.cuh; a test compares.
CAPACITY = 512
TILE = 128
MATCH_THREADS = 256
RESIDUAL_WARPS = 4
CANDIDATE_BYTES = 8
WIDE_BLOCKS = 16
MOST_SPLITS = 8

_SHAPE = np.dtype(
    [
        *((name, np.int32) for name in ("rows", "taps", "patches", "references", "depth")),
        *((name, np.int32) for name in ("grid", "splits", "penalty")),
        ("gamma", np.float32),
        ("neighbours", np.int32),
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchSize:
    """How much is matched, and how."""

    batch: int
    """B: pictures."""
    taps: int
    """T."""
    grid: int
    """G; a picture has G * G patches."""
    depth: int
    """D, a multiple of 16."""
    references: int
    """N."""
    gamma: float
    """Weight of the penalty."""
    penalty: str = "radial"
    """``none``, ``local`` or ``radial``."""
    neighbours: int = 0
    """K of the nearest-neighbour variants; 0: sparsemax over all references."""
    splits: int = 1
    """Parts of the bank looked through by different blocks, to fill a large device."""

    def __post_init__(self) -> None:
        if self.depth % 16:
            raise InputError(
                f"features have {self.depth} values; the CUDA match needs a multiple of 16, "
                "use another backend for this model"
            )
        if self.references < 1:
            raise InputError("the bank is empty; teach the product with at least one picture")
        if self.penalty == "local" and self.references % self.patches:
            raise InputError("the 'local' penalty needs a bank of whole pictures; use 'radial'")

    @property
    def patches(self) -> int:
        """P."""
        return self.grid**2

    @property
    def rows(self) -> int:
        """Query patches in all: B * T * P."""
        return self.batch * self.taps * self.patches

    @property
    def buffer_bytes(self) -> dict[str, int]:
        """Return the size of every buffer of :class:`MatchBuffers`."""
        values = self.rows * self.depth
        lists = self.rows * self.splits
        return {
            "queries": values * 4,
            "queries_f16": values * 2,
            "bank": self.taps * self.references * self.depth * 2,
            "bank_rho": self.references * 4,
            "direction": self.depth * 4,
            "lists": lists * CAPACITY * CANDIDATE_BYTES,
            "counts": lists * 4,
            "scratch": WIDE_BLOCKS * self.references * CANDIDATE_BYTES,
            "residual": values * 4,
            "norm": self.rows * 4,
            "along": self.rows * 4,
        }

    def structure(self) -> np.void:
        """Return ``MatchShape`` of match.cuh, to pass by value."""
        values = (
            *(self.rows, self.taps, self.patches, self.references, self.depth),
            *(self.grid, self.splits, PENALTIES.index(self.penalty)),
            *(self.gamma, self.neighbours),
        )
        return np.array([values], dtype=_SHAPE)[0]

    @staticmethod
    def splits_for(blocks: int, processors: int, references: int) -> int:
        """Return into how many parts to split the bank, so that a device has no idle processor.

        Args:
            blocks: thread blocks of an unsplit match: 128 rows of a tap each.
            processors: multiprocessors of the device; each takes two blocks at a time.
            references: N.
        """
        wanted = ceil_divide(2 * processors, blocks)
        return max(1, min(wanted, MOST_SPLITS, ceil_divide(references, 4 * TILE)))


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchBuffers:
    """Memory of a match; sizes in :attr:`MatchSize.buffer_bytes`."""

    queries: Buffer
    """(B, T, P, D) float32 unit query features: in."""
    queries_f16: Buffer
    """(B, T, P, D) float16: scratch."""
    bank: Buffer
    """(T, N, D) float16 unit reference features: in."""
    bank_rho: Buffer
    """(N,) float32: in."""
    direction: Buffer | None
    """(D,) float32: in; None: no product."""
    lists: Buffer
    """Candidates of every row: scratch."""
    counts: Buffer
    """How many they are: scratch."""
    scratch: Buffer
    """Rows with too many candidates: scratch."""
    residual: Buffer
    """(B, T, P, D) float32: out."""
    norm: Buffer
    """(B, T, P) float32, length of each residual: out."""
    along: Buffer
    """(B, T, P) float32, product of each residual with the direction: out."""


def match_launches(size: MatchSize, buffers: MatchBuffers) -> tuple[Launch, ...]:
    """Return the launches from queries and bank to residuals, norms and products."""
    shape = size.structure()
    direction = null() if buffers.direction is None else buffers.direction
    inputs = (buffers.queries, buffers.bank, buffers.bank_rho, direction)
    outputs = (buffers.residual, buffers.norm, buffers.along)
    tiles = (ceil_divide(size.patches, TILE), size.splits, size.batch * size.taps)
    candidates = (
        *(buffers.queries_f16, buffers.bank, buffers.bank_rho, buffers.lists, buffers.counts),
        shape,
    )
    residual = (*inputs, buffers.lists, buffers.counts, *outputs, shape)
    wide = (*inputs, buffers.counts, *outputs, buffers.scratch, shape)
    blocks = ceil_divide(size.rows, RESIDUAL_WARPS)
    return (
        half_launch(buffers.queries, buffers.queries_f16, size.rows * size.depth),
        Launch("match_candidates", tiles, MATCH_THREADS, candidates),
        Launch("match_residual", (blocks, 1, 1), RESIDUAL_WARPS * 32, residual),
        Launch("match_wide", (min(WIDE_BLOCKS, size.rows), 1, 1), MATCH_THREADS, wide),
    )


def half_launch(values: Buffer, halves: Buffer, count: int) -> Launch:
    """Return the launch that rounds ``count`` float32 values to float16."""
    arguments: tuple[Any, ...] = (values, halves, np.int32(count))
    return Launch("to_half", (ceil_divide(count, 256), 1, 1), 256, arguments)
