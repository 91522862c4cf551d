"""PRO: how much of each defect is found, large or small, up to 30 % false alarms.

Bergmann et al., "Uninformed Students", CVPR 2020, section 4.3. Regions are 8-connected.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from res2clip_runtime.threshold_steps import Steps

__all__ = ["FPR_LIMIT", "per_region_overlap", "region_shares"]

FPR_LIMIT = 0.3

_EIGHT_CONNECTED = np.ones((3, 3), np.intp)
_Doubles = npt.NDArray[np.float64]


def region_shares(mask: npt.NDArray[np.bool_]) -> tuple[_Doubles, int]:
    """Return 1 / (pixels of its region) for each True pixel of (H, W), and how many regions."""
    named, count = ndimage.label(mask, structure=_EIGHT_CONNECTED)
    name = named[mask]
    return 1.0 / np.bincount(name, minlength=1)[name], int(count)


def per_region_overlap(steps: Steps, gained: _Doubles) -> float:
    """Return the overlap over the false positive rate, integrated to `FPR_LIMIT`, divided by it.

    Args:
        steps: counts over all pixels.
        gained: (n,) mean overlap gained at each step; sums to 1.
    """
    overlap = np.cumsum(gained)
    above = steps.alarms_above / steps.negatives
    upto = steps.alarms / steps.negatives
    # At each score the curve rises from (above, overlap before) to (upto, overlap): straight up,
    # or slanting where negatives share the score. In between it is level.
    rate = np.concatenate([[0.0], np.stack([above, upto], axis=1).ravel(), [1.0]])
    level = np.concatenate([[0.0], np.stack([overlap - gained, overlap], axis=1).ravel(), [1.0]])
    return _area(rate, level, FPR_LIMIT) / FPR_LIMIT


def _area(rate: _Doubles, level: _Doubles, limit: float) -> float:
    """Return the trapezoid area under a curve of growing `rate`, cut off at `limit`."""
    last = int(np.searchsorted(rate, limit, side="right"))
    if last < len(rate):
        step = rate[last] - rate[last - 1]
        part = (limit - rate[last - 1]) / step
        end = level[last - 1] + part * (level[last] - level[last - 1])
        rate = np.append(rate[:last], limit)
        level = np.append(level[:last], end)
    return float(np.sum(np.diff(rate) * (level[1:] + level[:-1]) / 2.0))
