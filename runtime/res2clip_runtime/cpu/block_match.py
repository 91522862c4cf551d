"""One block of query patches against a whole bank, without their similarity matrix.

    z = q r^T - gamma |rho(q) - rho(r)|;  w = max(z - tau, 0), sum w = 1;  R = q - normalise(w r)

(method.md, section 4).  References come in column blocks that stay in the cache.  From each only
the *candidates* are kept, the scores above a lower bound of tau: the root over any subset of the
references is one, so the bound rises from column block to column block.  Some hundred candidates a
row remain, and Newton's iteration on them ends at the exact tau.

Work: 2 rows N D floating-point operations for the product, five passes over a column block in the
cache, and rows * support * D for the mixture.  Memory: two column blocks and the candidates.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["COLUMNS", "ROWS", "match_block"]

FloatArray = npt.NDArray[np.float32]

ROWS = 384
"""Most query patches in a block: the product is the faster the more there are."""
COLUMNS = 4096
"""Most references in a column block: 6 MB of scores with 384 rows."""
_GROUP = 16
"""References in a group; the groups' maxima give the first lower bound of tau ..."""
_FEWEST_GROUPS = 64
"""... but with few references the groups are smaller."""
_DENSE = 1536
"""Up to so many references, one product with zeros in it is quicker than gathering."""
_SUMMED = 512
"""Most references in one weighted sum: long sums in fp32 are summed in parts, or they drift."""
_NEWTON_LIMIT = 100
"""Newton ends by itself after about ten steps; the limit only guards against a defect."""


@dataclass(slots=True)
class _Candidates:
    """Scores that may lie above tau: ``value[i]`` is that of patch and reference, by number."""

    row: npt.NDArray[np.intp]
    column: npt.NDArray[np.intp]
    value: FloatArray

    def above(self, tau: FloatArray) -> _Candidates:
        """Return those above their row's ``tau``."""
        return self.chosen(self.value > tau[self.row])

    def chosen(self, which: npt.NDArray[np.bool_] | npt.NDArray[np.intp]) -> _Candidates:
        """Return some of them, by a mask or by index."""
        return _Candidates(self.row[which], self.column[which], self.value[which])

    def joined(self, other: _Candidates) -> _Candidates:
        """Return these and ``other``."""
        return _Candidates(
            np.concatenate([self.row, other.row]),
            np.concatenate([self.column, other.column]),
            np.concatenate([self.value, other.value]),
        )


def match_block(
    query: FloatArray,
    query_penalty: FloatArray,
    bank: FloatArray,
    bank_penalty: FloatArray,
    *,
    out: FloatArray,
) -> None:
    """Write the residuals of a block of patches of one tap to ``out``.

    A patch with a similarity that is NaN or infinite gets NaN.

    Args:
        query: (rows, D) float32 unit patches, at most ``ROWS``.
        query_penalty: (rows,) float32, gamma times rho of each patch.
        bank: (N, D) float32 unit references, N at least 1.
        bank_penalty: (N,) float32, gamma times rho of each reference.
        out: (rows, D) float32.
    """
    with np.errstate(all="ignore"):  # what is not finite is answered with NaN, not with a warning
        found, tau = _candidates(query, query_penalty, bank, bank_penalty)
        tau = _newton(found, tau, steps=_NEWTON_LIMIT)
        mix = _mix_dense if len(bank) <= _DENSE else _mix_support
        mix(found.above(tau), tau, bank, out)
        out /= np.maximum(np.sqrt(np.einsum("ij,ij->i", out, out)), 1e-12)[:, None]
        np.subtract(query, out, out=out)
        out[np.isnan(tau)] = np.nan


def _candidates(
    query: FloatArray, query_penalty: FloatArray, bank: FloatArray, bank_penalty: FloatArray
) -> tuple[_Candidates, FloatArray]:
    """Return every score that may lie above its row's tau, and a lower bound of tau."""
    width = min(COLUMNS, len(bank))
    buffers = np.empty((2, len(query) * width), dtype=np.float32)
    found, tau = None, None
    for start in range(0, len(bank), COLUMNS):
        columns = slice(start, min(start + COLUMNS, len(bank)))
        shape = (len(query), columns.stop - start)
        scores, penalty = (buffer[: shape[0] * shape[1]].reshape(shape) for buffer in buffers)
        np.matmul(query, bank[columns].T, out=scores)
        np.subtract(query_penalty[:, None], bank_penalty[None, columns], out=penalty)
        scores -= np.abs(penalty, out=penalty)
        top = scores.max(axis=1)  # NaN where one of them is NaN
        tau = _root(_group_maxima(scores)) if tau is None else tau
        tau[~np.isfinite(top)] = np.nan
        fresh = _above(scores, tau, start)
        found = fresh if found is None else found.joined(fresh)
        tau = _newton(found, tau, steps=1)
        found = found.above(tau)
    assert found is not None and tau is not None
    return found, tau


def _above(scores: FloatArray, tau: FloatArray, start: int) -> _Candidates:
    """Return the scores above tau, from a column block that begins at reference ``start``."""
    rows, columns = scores.shape
    index = np.flatnonzero(scores > tau[:, None])
    counts = np.diff(np.searchsorted(index, columns * np.arange(rows + 1)))
    row = np.repeat(np.arange(rows), counts)
    return _Candidates(row, index + (start - columns * row), scores.reshape(-1).take(index))


def _group_maxima(scores: FloatArray) -> FloatArray:
    """Return (rows, groups) maxima of groups of columns; a remainder of columns is left out.

    A group takes every ``groups``-th column, so that the maximum runs along whole vectors.
    """
    rows, columns = scores.shape
    groups = max(columns // _GROUP, min(_FEWEST_GROUPS, columns))
    whole = columns // groups * groups
    return scores[:, :whole].reshape(rows, -1, groups).max(axis=1)


def _root(scores: FloatArray) -> FloatArray:
    """Return the tau of each row of (rows, n) scores, by sorting (Martins & Astudillo, alg. 1)."""
    ordered = -np.sort(-scores, axis=1)
    excess = np.cumsum(ordered, axis=1) - 1
    rank = np.arange(1, scores.shape[1] + 1, dtype=np.float32)
    support = np.maximum((rank * ordered > excess).sum(axis=1), 1)
    return (excess[np.arange(len(scores)), support - 1] / support).astype(np.float32)


def _newton(found: _Candidates, tau: FloatArray, *, steps: int) -> FloatArray:
    """Return tau after at most ``steps`` steps up to the root over the candidates."""
    for _ in range(steps):
        excess = np.maximum(found.value - tau[found.row], 0)
        total = np.bincount(found.row, weights=excess, minlength=len(tau))
        support = np.bincount(found.row, weights=excess > 0, minlength=len(tau))
        step = (total - 1) / np.maximum(support, 1)
        # A row without candidates is one of NaN; a step that is not upwards is rounding.
        risen = np.maximum(tau, (tau + step).astype(np.float32))
        if np.array_equal(risen, tau, equal_nan=True):
            break
        tau = risen
    return tau


def _mix_dense(found: _Candidates, tau: FloatArray, bank: FloatArray, out: FloatArray) -> None:
    """Write each row's weighted sum of references to ``out``, zero weights included."""
    weights = np.zeros((len(tau), len(bank)), dtype=np.float32)
    weights[found.row, found.column] = found.value - tau[found.row]
    np.matmul(weights, bank, out=out)


def _mix_support(found: _Candidates, tau: FloatArray, bank: FloatArray, out: FloatArray) -> None:
    """Write each row's weighted sum of references to ``out``, reading only those with a weight."""
    found = found.chosen(np.argsort(found.row.astype(np.int16), kind="stable"))
    weights = found.value - tau[found.row]
    columns = found.column
    ends = np.searchsorted(found.row, np.arange(len(tau) + 1))
    for row, (start, end) in enumerate(itertools.pairwise(ends.tolist())):
        for first in range(start, end, _SUMMED):
            part = slice(first, min(first + _SUMMED, end))
            mixed = np.dot(weights[part], bank.take(columns[part], axis=0))
            out[row] = mixed if first == start else out[row] + mixed
