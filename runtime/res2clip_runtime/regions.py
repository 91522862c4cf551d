"""Connected regions of an anomaly map, as boxes in the source picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Region", "find_regions", "label_components"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """One connected area in which the anomaly map exceeds the pixel threshold."""

    left: int
    """First column, in source pixels."""
    top: int
    """First row, in source pixels."""
    width: int
    """Columns, in source pixels."""
    height: int
    """Rows, in source pixels."""
    area_px: int
    """Source pixels inside the region (not its box)."""
    peak: float
    """Highest value of the anomaly map inside the region."""

    def to_json(self) -> dict[str, Any]:
        """Return the box, area and peak as JSON values."""
        return {
            "box": [self.left, self.top, self.width, self.height],
            "area_px": self.area_px,
            "peak": round(self.peak, 6),
        }


def find_regions(
    anomaly_map: npt.NDArray[np.float32],
    pixel_threshold: float,
    *,
    source_size_px: tuple[int, int],
    most: int = 32,
) -> tuple[Region, ...]:
    """Return the regions above the threshold, highest peak first, at most ``most``.

    Args:
        anomaly_map: (S, S) float32 covering the whole source picture.
        pixel_threshold: values above it belong to a region.
        source_size_px: width and height of the source picture.
        most: a picture that is anomalous all over has very many specks; the rest are dropped.
    """
    labels, count = label_components(anomaly_map > pixel_threshold)
    if not count:
        return ()
    rows, columns = np.nonzero(labels)
    owner = labels[rows, columns] - 1
    areas = np.bincount(owner, minlength=count)
    peaks = np.full(count, -np.inf, dtype=np.float32)
    np.maximum.at(peaks, owner, anomaly_map[rows, columns])
    boxes = _boxes(rows, columns, owner, count)
    scale = np.array(source_size_px) / np.array(anomaly_map.shape[::-1])
    best = np.argsort(-peaks, kind="stable")[:most]
    return tuple(_region(boxes[i], scale, int(areas[i]), float(peaks[i])) for i in best)


def label_components(mask: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[np.int64], int]:
    """Return (labels, count): 8-connected components of an (H, W) mask, 0 outside, 1.. inside.

    Runs of each row are joined with the touching runs of the row above (union-find), so the work
    is in the number of runs, not of pixels.
    """
    rows, starts, ends = _runs(mask)
    parent = np.arange(len(rows))

    def root(run: int) -> int:
        while parent[run] != run:
            parent[run] = parent[parent[run]]
            run = int(parent[run])
        return run

    first_of_row = np.searchsorted(rows, np.arange(mask.shape[0] + 1))
    for row in range(1, mask.shape[0]):
        above, here, end = (int(i) for i in first_of_row[row - 1 : row + 2])
        last_above = here
        while above < last_above and here < end:
            if starts[here] <= ends[above] and starts[above] <= ends[here]:
                parent[root(here)] = root(above)
            if ends[above] < ends[here]:
                above += 1
            else:
                here += 1
    roots = np.array([root(run) for run in range(len(rows))], dtype=np.int64)
    unique, dense = np.unique(roots, return_inverse=True)
    labels = np.zeros(mask.shape, dtype=np.int64)
    for row, start, stop, label in zip(rows, starts, ends, dense, strict=True):
        labels[row, start:stop] = label + 1
    return labels, len(unique)


def _runs(
    mask: npt.NDArray[np.bool_],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return row, first column and past-the-end column of every horizontal run, in scan order."""
    steps = np.diff(np.pad(mask, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    rows, starts = np.nonzero(steps == 1)
    _, ends = np.nonzero(steps == -1)
    return rows, starts, ends


def _boxes(
    rows: npt.NDArray[np.int64],
    columns: npt.NDArray[np.int64],
    owner: npt.NDArray[np.int64],
    count: int,
) -> npt.NDArray[np.int64]:
    """Return (count, 4): left, top, right, bottom of every component, past-the-end exclusive."""
    boxes = np.empty((count, 4), dtype=np.int64)
    for column, (values, reduce, start) in enumerate(
        (
            (columns, np.minimum, np.iinfo(np.int64).max),
            (rows, np.minimum, np.iinfo(np.int64).max),
            (columns + 1, np.maximum, 0),
            (rows + 1, np.maximum, 0),
        )
    ):
        boxes[:, column] = start
        reduce.at(boxes[:, column], owner, values)
    return boxes


def _region(
    box: npt.NDArray[np.int64], scale: npt.NDArray[np.float64], area: int, peak: float
) -> Region:
    corners = box * np.tile(scale, 2)
    left, top = np.floor(corners[:2]).astype(int)
    right, bottom = np.ceil(corners[2:]).astype(int)
    return Region(
        left=int(left),
        top=int(top),
        width=int(right - left),
        height=int(bottom - top),
        area_px=round(area * float(scale.prod())),
        peak=peak,
    )
