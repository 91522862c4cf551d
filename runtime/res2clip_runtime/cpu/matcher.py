"""The match stage on a CPU: blocks of patches, shared out over threads."""

from __future__ import annotations

import itertools
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from res2clip_runtime.closable import Closable
from res2clip_runtime.cpu.blas_threads import one_blas_thread
from res2clip_runtime.cpu.block_match import ROWS, match_block
from res2clip_runtime.errors import BackendError
from res2clip_runtime.stages import FloatArray, grid_rho

__all__ = ["CpuMatcher", "usable_cores"]

_BLOCKS_A_THREAD = 4
_FEWEST_ROWS = 64
"""Of a block; with fewer the product is slow."""


class CpuMatcher(Closable):
    """Residuals in fp32, exact sparsemax; owns its threads, so close it or use ``with``."""

    def __init__(self, grid: int, gamma: float, *, threads: int | None = None) -> None:
        """Match G x G patches with a radial penalty of weight ``gamma``, on ``threads`` threads.

        Without ``threads`` there is one for each core that this process may use.
        """
        self._penalty = (gamma * grid_rho(grid).astype(np.float64)).astype(np.float32)
        self._gamma = gamma
        self._threads = threads or usable_cores()
        self._pool: ThreadPoolExecutor | None = ThreadPoolExecutor(
            self._threads, thread_name_prefix="res2clip-match"
        )

    def match(self, patches: FloatArray, bank: FloatArray, bank_rho: FloatArray) -> FloatArray:
        """Return (B, T, P, D) residuals of (B, T, P, D) patches against a (T, N, D) bank.

        A patch whose similarity to any reference is NaN or infinite gets NaN.

        Raises:
            BackendError: the bank is empty, its shape does not fit, or the matcher is closed.
        """
        if self._pool is None:
            raise BackendError("the inspector is closed; open a new one")
        self._check(patches, bank, bank_rho)
        bank = np.ascontiguousarray(bank, dtype=np.float32)
        patches = np.ascontiguousarray(patches, dtype=np.float32)
        bank_penalty = (self._gamma * bank_rho.astype(np.float64)).astype(np.float32)
        residual = np.empty_like(patches)
        with one_blas_thread():
            tasks = [
                self._pool.submit(
                    match_block,
                    patches[picture, tap, rows],
                    self._penalty[rows],
                    bank[tap],
                    bank_penalty,
                    out=residual[picture, tap, rows],
                )
                for picture in range(patches.shape[0])
                for tap in range(patches.shape[1])
                for rows in _row_blocks(patches.shape[:3], self._threads)
            ]
            for task in tasks:
                task.result()
        return residual

    def close(self) -> None:
        """End the threads."""
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None

    def _check(self, patches: FloatArray, bank: FloatArray, bank_rho: FloatArray) -> None:
        _, taps, count, dim = patches.shape
        expected = (taps, len(bank_rho), dim)
        if count != len(self._penalty) or bank.shape != expected or not len(bank_rho):
            raise BackendError(
                f"stage 'match' got patches {patches.shape}, bank {bank.shape} and bank_rho "
                f"{bank_rho.shape}; expected (B, T, {len(self._penalty)}, D), (T, N, D) and (N,) "
                "with N at least 1; teach the recipe again"
            )


def usable_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0))


def _row_blocks(shape: tuple[int, ...], threads: int) -> list[slice]:
    """Return slices of nearly equal length over the P patches of (B, T, P).

    They are large, yet short enough that each thread gets some and none waits long for the last.
    """
    pictures, taps, patches = shape
    fair = pictures * taps * patches / (threads * _BLOCKS_A_THREAD)
    blocks = -(-patches // int(np.clip(fair, _FEWEST_ROWS, ROWS)))
    edges = np.linspace(0, patches, blocks + 1).astype(int)
    return [slice(start, end) for start, end in itertools.pairwise(edges)]
