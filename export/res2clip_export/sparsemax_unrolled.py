"""Sparsemax without a sort, in a fixed number of steps (method.md, section 4).

tau <- tau + (sum(relu(z - tau)) - 1) / count(z > tau) is Newton's iteration on the convex,
piecewise linear f(tau) = sum(relu(z - tau)) - 1.  From any tau below the root it rises to it
monotonically and reaches it exactly in finitely many steps.  The root over any subset of the
references lies below the root over all of them, so the first steps run on the maxima of groups, at
a fraction of the cost.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from res2clip.matching import Matcher

__all__ = ["UnrolledMatcher", "sparsemax_unrolled"]

PASSES = ((16, 8), (4, 6), (1, 6))
"""(references per group, steps), coarse to fine; together the 20 steps of method.md.

Tests hold the result to the sorted one for 1 to 64 shots and on hard inputs.
"""


def sparsemax_unrolled(scores: Tensor) -> Tensor:
    """Return sparsemax over the last axis of (B, P, N) scores, without sorting."""
    shifted = scores - scores.amax(dim=-1, keepdim=True)
    tau = torch.full_like(shifted[..., :1], -1.0)
    for group, steps in PASSES:
        # (B, P, ceil(N / group))
        maxima = (
            F.max_pool1d(shifted, group, stride=group, ceil_mode=True) if group > 1 else shifted
        )
        for _ in range(steps):
            tau = _newton_step(maxima, tau)
    return F.relu(shifted - tau)


def _newton_step(scores: Tensor, tau: Tensor) -> Tensor:
    excess = F.relu(scores - tau)
    support = torch.sign(excess).sum(dim=-1, keepdim=True)
    return tau + (excess.sum(dim=-1, keepdim=True) - 1) / support


class UnrolledMatcher(Matcher):
    """The matcher as it is exported: the same residuals, no sort in the graph."""

    def _sparsemax(self, scores: Tensor) -> Tensor:
        return sparsemax_unrolled(scores)
