from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from res2clip_runtime.regions import find_regions, label_components

EIGHT = np.ones((3, 3))
masks = arrays(np.bool_, st.tuples(st.integers(1, 24), st.integers(1, 24)))


def same_partition(ours: np.ndarray, theirs: np.ndarray) -> bool:
    pairs = {(int(a), int(b)) for a, b in zip(ours.ravel(), theirs.ravel(), strict=True)}
    return len({a for a, _ in pairs}) == len({b for _, b in pairs}) == len(pairs)


@given(masks)
def test_components_are_those_of_scipy(mask: np.ndarray) -> None:
    labels, count = label_components(mask)
    expected, expected_count = ndimage.label(mask, structure=EIGHT)
    assert count == expected_count
    assert set(np.unique(labels[mask])) == set(range(1, count + 1))
    assert not labels[~mask].any()
    assert same_partition(labels, expected)


def test_spiral_is_one_component() -> None:
    """Arms that only meet at the end of the scan must still be joined."""
    mask = np.zeros((9, 9), dtype=bool)
    mask[0, :] = mask[:, 8] = mask[8, :] = mask[2:, 0] = mask[2, :7] = mask[2:7, 6] = True
    mask[6, 2:7] = mask[4:7, 2] = True
    assert label_components(mask)[1] == ndimage.label(mask, structure=EIGHT)[1] == 1


def test_diagonal_neighbours_belong_together() -> None:
    assert label_components(np.eye(5, dtype=bool))[1] == 1
    assert label_components(np.eye(5, dtype=bool)[:, ::-1])[1] == 1


@pytest.mark.parametrize("value", [True, False])
def test_full_and_empty_masks_are_counted(value: bool) -> None:
    assert label_components(np.full((4, 6), value))[1] == int(value)


@given(arrays(np.float32, (20, 20), elements=st.floats(0, 1, width=32)), st.floats(0, 1))
def test_regions_agree_with_scipy(anomaly_map: np.ndarray, threshold: float) -> None:
    regions = find_regions(anomaly_map, threshold, source_size_px=(40, 60), most=1000)
    labels, count = ndimage.label(anomaly_map > threshold, structure=EIGHT)
    assert len(regions) == count
    expected = []
    for index, (rows, columns) in enumerate(ndimage.find_objects(labels), start=1):
        inside = labels == index
        box = (columns.start * 2, rows.start * 3)
        size = ((columns.stop - columns.start) * 2, (rows.stop - rows.start) * 3)
        expected.append((*box, *size, int(inside.sum()) * 6, float(anomaly_map[inside].max())))
    found = [(r.left, r.top, r.width, r.height, r.area_px, r.peak) for r in regions]
    assert sorted(found) == sorted(expected)
    assert [r.peak for r in regions] == sorted((r.peak for r in regions), reverse=True)


def test_boxes_stay_inside_the_source_picture() -> None:
    regions = find_regions(np.ones((7, 7), dtype=np.float32), 0.5, source_size_px=(100, 33))
    (only,) = regions
    assert (only.left, only.top, only.width, only.height) == (0, 0, 100, 33)
    assert only.area_px == 3300


def test_only_the_most_anomalous_specks_are_kept() -> None:
    specks = np.zeros((40, 40), dtype=np.float32)
    specks[::2, ::2] = np.linspace(0.6, 1, 400).reshape(20, 20)
    regions = find_regions(specks, 0.5, source_size_px=(40, 40))
    assert len(regions) == 32
    assert regions[0].peak == 1
