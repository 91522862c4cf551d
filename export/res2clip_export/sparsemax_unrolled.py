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

GROUP = 16
"""References per group of the coarse steps."""
COARSE_STEPS = 12
FINE_STEPS = 8
"""Together the 20 steps of method.md; tests hold them to the sorted result for 1 to 64 shots."""


def sparsemax_unrolled(scores: Tensor) -> Tensor:
    """Return sparsemax over the last axis of (B, P, N) scores, without sorting."""
    shifted = scores - scores.amax(dim=-1, keepdim=True)
    groups = F.max_pool1d(shifted, GROUP, stride=GROUP, ceil_mode=True)  # (B, P, ceil(N / GROUP))
    tau = torch.full_like(shifted[..., :1], -1.0)
    for _ in range(COARSE_STEPS):
        tau = _newton_step(groups, tau)
    for _ in range(FINE_STEPS):
        tau = _newton_step(shifted, tau)
    return F.relu(shifted - tau)


def _newton_step(scores: Tensor, tau: Tensor) -> Tensor:
    excess = F.relu(scores - tau)
    support = torch.sign(excess).sum(dim=-1, keepdim=True)
    return tau + (excess.sum(dim=-1, keepdim=True) - 1) / support


class UnrolledMatcher(Matcher):
    """The matcher as it is exported: the same residuals, no sort in the graph."""

    def _sparsemax(self, scores: Tensor) -> Tensor:
        return sparsemax_unrolled(scores)
