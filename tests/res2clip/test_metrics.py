"""The metrics against their definitions, written out plainly."""

from __future__ import annotations

import itertools
import time
from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from sklearn.metrics import average_precision_score, roc_auc_score

from res2clip.metrics import mean_metrics, measure
from res2clip_runtime.errors import InputError

TIED = st.lists(
    st.tuples(st.booleans(), st.integers(min_value=0, max_value=4)), min_size=2, max_size=24
).filter(lambda pairs: len({label for label, _ in pairs}) == 2)


def thresholds(scores):
    return sorted(set(scores.ravel().tolist()), reverse=True)


def auroc_by_pairs(labels, scores):
    wins = [
        1.0 if p > n else 0.5 if p == n else 0.0
        for p in scores[labels].tolist()
        for n in scores[~labels].tolist()
    ]
    return sum(wins) / len(wins)


def ap_by_thresholds(labels, scores):
    total, recall_before = 0.0, 0.0
    for t in thresholds(scores):
        called = scores >= t
        recall = (called & labels).sum() / labels.sum()
        total += (recall - recall_before) * (called & labels).sum() / called.sum()
        recall_before = recall
    return total


def f1_by_thresholds(labels, scores):
    best = 0.0
    for t in thresholds(scores):
        called = scores >= t
        hits = (called & labels).sum()
        if hits:
            precision, recall = hits / called.sum(), hits / labels.sum()
            best = max(best, 2 * precision * recall / (precision + recall))
    return best


def pro_by_thresholds(maps, masks, limit=0.3):
    regions = []
    for i, mask in enumerate(masks):
        named, count = ndimage.label(mask, structure=np.ones((3, 3)))
        regions += [(i, named == k) for k in range(1, count + 1)]
    points = [(0.0, 0.0)]
    for t in thresholds(maps):
        called = maps >= t
        rate = (called & ~masks).sum() / (~masks).sum()
        points.append((rate, np.mean([called[i][region].mean() for i, region in regions])))
    area = 0.0
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        if x0 >= limit or x1 == x0:
            continue
        if x1 > limit:
            x1, y1 = limit, y0 + (y1 - y0) * (limit - x0) / (x1 - x0)
        area += (x1 - x0) * (y0 + y1) / 2
    return area / limit


def example(seed, *, n=4, side=9, levels=None):
    rng = np.random.default_rng(seed)
    masks = rng.random((n, side, side)) < 0.15
    maps = rng.random((n, side, side)) + 0.5 * masks
    if levels:
        maps = np.floor(maps * levels) / levels
    labels = np.arange(n) % 2 == 0
    return labels, rng.random(n) + labels * 0.3, maps.astype(np.float32), masks


@given(TIED)
def test_image_metrics_follow_their_definitions_with_ties(pairs):
    labels = np.array([label for label, _ in pairs])
    scores = np.array([score for _, score in pairs], dtype=np.float64)
    found = measure(labels, scores)
    assert found.i_auroc == pytest.approx(auroc_by_pairs(labels, scores))
    assert found.i_ap == pytest.approx(ap_by_thresholds(labels, scores))
    assert found.i_f1 == pytest.approx(f1_by_thresholds(labels, scores))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([None, 2, 5]))
def test_pixel_metrics_follow_their_definitions_with_ties(seed, levels):
    labels, scores, maps, masks = example(seed, n=2, side=7, levels=levels)
    if not masks.any():
        return
    found = measure(labels, scores, maps=maps, masks=masks)
    assert found.p_auroc == pytest.approx(auroc_by_pairs(masks.ravel(), maps.ravel()))
    assert found.p_ap == pytest.approx(ap_by_thresholds(masks, maps))
    assert found.p_f1 == pytest.approx(f1_by_thresholds(masks, maps))
    assert found.pro == pytest.approx(pro_by_thresholds(maps, masks))


def test_areas_agree_with_scikit_learn():
    _, _, maps, masks = example(3, n=6, side=40, levels=50)
    found = measure([0, 1], [0.0, 1.0])
    assert (found.i_auroc, found.i_ap, found.i_f1) == (1.0, 1.0, 1.0)
    found = measure(np.arange(6) % 2, np.arange(6.0), maps=maps, masks=masks)
    assert found.p_auroc == pytest.approx(roc_auc_score(masks.ravel(), maps.ravel()))
    assert found.p_ap == pytest.approx(average_precision_score(masks.ravel(), maps.ravel()))


def test_regions_that_touch_at_a_corner_are_one():
    masks = np.zeros((1, 6, 6), bool)
    masks[0, 1, 1] = masks[0, 2, 2] = masks[0, 4, 4] = True
    maps = np.zeros((1, 6, 6))
    maps[0, 1, 1] = maps[0, 2, 2] = 1.0
    # One of the two regions is found without false alarm; the other only with every pixel.
    expected = 0.5 + 0.5 * 0.3 / 2
    assert measure([True], [1.0], maps=maps, masks=masks).pro == pytest.approx(expected)


def test_a_small_region_counts_as_much_as_a_large_one():
    masks = np.zeros((1, 20, 20), bool)
    masks[0, :10, :10] = True
    masks[0, 15, 15] = True
    maps = np.where(masks, 1.0, 0.5)
    maps[0, 15, 15] = 0.0
    found = measure([True], [1.0], maps=maps, masks=masks)
    assert found.pro == pytest.approx(0.5)
    assert found.p_ap > 0.98


def test_a_perfect_map_scores_one_everywhere():
    labels, _, _, masks = example(1)
    found = measure(labels, labels.astype(float), maps=masks.astype(np.float32), masks=masks)
    assert astuple(found) == pytest.approx((1.0,) * 7)


def test_a_constant_map_scores_as_chance():
    labels, scores, maps, masks = example(2)
    found = measure(labels, scores, maps=np.ones_like(maps), masks=masks)
    assert found.p_auroc == pytest.approx(0.5)
    assert found.p_ap == pytest.approx(masks.mean())
    assert found.pro == pytest.approx(0.15)


def test_one_class_alone_leaves_the_figures_undefined():
    found = measure([0, 0], [0.1, 0.2], maps=np.zeros((2, 4, 4)), masks=np.zeros((2, 4, 4), bool))
    assert all(np.isnan(value) for value in (found.i_auroc, found.i_ap, found.i_f1))
    assert all(np.isnan(value) for value in (found.p_auroc, found.p_ap, found.p_f1, found.pro))


def test_without_masks_only_the_pixel_figures_are_undefined():
    found = measure([0, 1], [0.1, 0.2])
    assert found.i_auroc == 1.0
    assert np.isnan(found.p_auroc)
    assert np.isnan(found.pro)


def test_the_mean_skips_undefined_figures():
    one = measure([0, 1], [0.1, 0.2])
    labels, scores, maps, masks = example(5)
    two = measure(labels, scores, maps=maps, masks=masks)
    mean = mean_metrics([one, two])
    assert mean.i_auroc == pytest.approx((one.i_auroc + two.i_auroc) / 2)
    assert mean.pro == pytest.approx(two.pro)
    assert np.isnan(mean_metrics([one]).pro)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_refused(bad):
    labels, scores, maps, masks = example(6)
    maps[1, 2, 3] = bad
    with pytest.raises(InputError, match="maps must be finite"):
        measure(labels, scores, maps=maps, masks=masks)
    scores[0] = bad
    with pytest.raises(InputError, match="scores must be finite"):
        measure(labels, scores)


def test_shapes_that_do_not_fit_are_refused():
    labels, scores, maps, masks = example(7)
    with pytest.raises(InputError, match="same shape"):
        measure(labels, scores[:-1])
    with pytest.raises(InputError, match="same shape"):
        measure(labels, scores, maps=maps[:, :-1], masks=masks)
    with pytest.raises(InputError, match="masks for"):
        measure(labels, scores, maps=maps[:-1], masks=masks[:-1])
    with pytest.raises(InputError, match="both"):
        measure(labels, scores, maps=maps)
    with pytest.raises(InputError, match="only 0 and 1"):
        measure([0, 2], [0.1, 0.2])
    with pytest.raises(InputError, match="at least one"):
        mean_metrics([])


def test_whole_numbers_and_lists_are_accepted():
    assert measure([0, 1, 1], [1, 2, 3]).i_auroc == 1.0


def test_a_hundred_maps_of_the_usual_size_take_seconds():
    rng = np.random.default_rng(0)
    maps = rng.random((10, 518, 518), dtype=np.float32)  # a tenth of the hundred
    masks = np.zeros(maps.shape, bool)
    masks[:5, 100:180, 100:180] = True
    begin = time.perf_counter()
    found = measure(np.arange(10) < 5, np.zeros(10), maps=maps, masks=masks)
    assert time.perf_counter() - begin < 4.0  # measured 0.4 s; wide, for busy machines
    assert 0.4 < found.p_auroc < 0.6
