"""The seven figures beside scikit-learn, and PRO beside anomalib, ADEval and MVTec's own script.

ADEval carries the evaluation script that MVTec publishes (``adeval.au_pro``); it takes its
thresholds from the normal pixels one by one, so it is asked only where no scores are tied. ADEval's
own figures come from histograms: many narrow bins make them exact enough.
"""

from __future__ import annotations

import numpy as np
import pytest
import scipy.integrate
import torch
from scipy import ndimage
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

from res2clip.metrics import measure

SIDE = 64
BINS = 100_000


def blobs(rng) -> np.ndarray:
    smooth = [ndimage.gaussian_filter(rng.standard_normal((SIDE, SIDE)), 4) for _ in range(6)]
    return np.stack(smooth) > np.quantile(smooth, 0.95)


def single_pixels() -> np.ndarray:
    masks = np.zeros((6, SIDE, SIDE), bool)
    masks[0, 10, 10] = masks[1, 3, 60] = masks[2, 30, 30] = masks[2, 31, 31] = True
    return masks


def border_touching() -> np.ndarray:
    masks = np.zeros((6, SIDE, SIDE), bool)
    masks[0, 0] = masks[1, :, -1] = masks[2, 50:, 50:] = masks[3, :5, :] = True
    masks[4, 0, 0] = masks[4, -1, -1] = True
    return masks


def some_without_defect(rng) -> np.ndarray:
    masks = blobs(rng)
    masks[[1, 3]] = False
    return masks


def cases() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(0)
    noise = rng.random((6, SIDE, SIDE))
    found = {
        "noise": (noise, blobs(rng)),
        "random": (noise + 0.6 * (masks := blobs(rng)), masks),
        "some without defect": (noise + 0.4 * (masks := some_without_defect(rng)), masks),
        "single pixels": (noise + 0.5 * (masks := single_pixels()), masks),
        "border-touching": (noise + 0.4 * (masks := border_touching()), masks),
        "perfect": (masks := blobs(rng), masks),
        "tied": (np.floor((noise + 0.5 * (masks := blobs(rng))) * 8) / 8, masks),
        "two levels": (np.floor((noise + 0.5 * (masks := blobs(rng))) * 2) / 2, masks),
    }
    return {name: (maps.astype(np.float32), masks) for name, (maps, masks) in found.items()}


CASES = cases()
UNTIED = [name for name in CASES if name not in ("tied", "two levels")]


def ours(maps, masks):
    count = len(maps)
    return measure(np.arange(count) % 2, np.arange(count), maps=maps, masks=masks)


def pro_of_anomalib(maps, masks) -> float:
    from anomalib.metrics.aupro import _AUPRO

    metric = _AUPRO()
    metric.update(torch.from_numpy(maps), torch.from_numpy(masks.astype(np.int64)))
    return float(metric.compute())


def figures_of_adeval(monkeypatch, maps, masks) -> tuple[float, float, float]:
    # ADEval calls np.trapz, which NumPy 2.4 no longer has.
    monkeypatch.setattr(np, "trapz", scipy.integrate.trapezoid, raising=False)
    import adeval

    targets = [mask.astype(np.uint8) for mask in masks]
    return adeval.auroc_aupr_aupro(maps, targets, nstrips=BINS)


@pytest.mark.parametrize("case", CASES)
def test_pixel_figures_agree_with_scikit_learn(case):
    maps, masks = CASES[case]
    found, truth, scores = ours(maps, masks), masks.ravel(), maps.ravel()
    assert found.p_auroc == pytest.approx(roc_auc_score(truth, scores), abs=1e-6)
    assert found.p_ap == pytest.approx(average_precision_score(truth, scores), abs=1e-6)
    precision, recall, _ = precision_recall_curve(truth, scores)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    assert found.p_f1 == pytest.approx(f1.max(), abs=1e-6)


@pytest.mark.parametrize("levels", [None, 3, 20])
@pytest.mark.parametrize("seed", range(5))
def test_image_figures_agree_with_scikit_learn(seed, levels):
    rng = np.random.default_rng(seed)
    labels = np.append(rng.integers(0, 2, 60), [0, 1])
    scores = rng.standard_normal(62) + labels
    if levels:
        scores = np.round(scores * levels) / levels
    found = measure(labels, scores)
    assert found.i_auroc == pytest.approx(roc_auc_score(labels, scores), abs=1e-6)
    assert found.i_ap == pytest.approx(average_precision_score(labels, scores), abs=1e-6)
    precision, recall, _ = precision_recall_curve(labels, scores)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    assert found.i_f1 == pytest.approx(f1.max(), abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_pro_agrees_with_anomalib(case):
    maps, masks = CASES[case]
    assert ours(maps, masks).pro == pytest.approx(pro_of_anomalib(maps, masks), abs=1e-3)


@pytest.mark.parametrize("case", CASES)
def test_pro_agrees_with_adeval(monkeypatch, case):
    maps, masks = CASES[case]
    found = ours(maps, masks)
    auroc, _, pro = figures_of_adeval(monkeypatch, maps, masks)
    assert found.pro == pytest.approx(pro, abs=1e-3)
    assert found.p_auroc == pytest.approx(auroc, abs=1e-3)


@pytest.mark.parametrize("case", UNTIED)
def test_pro_agrees_with_the_script_of_mvtec(case):
    from adeval.au_pro import calculate_au_pro

    maps, masks = CASES[case]
    pro, _ = calculate_au_pro(list(masks.astype(int)), list(maps), 0.3, num_thresholds=20_000)
    assert ours(maps, masks).pro == pytest.approx(pro, abs=1e-3)


def test_a_picture_that_is_defective_all_over_is_one_region(monkeypatch):
    # anomalib takes the only label of such a mask for the background, so it is not asked.
    maps, masks = CASES["border-touching"]
    masks = masks.copy()
    masks[4] = True
    *_, pro = figures_of_adeval(monkeypatch, maps, masks)
    assert ours(maps, masks).pro == pytest.approx(pro, abs=1e-3)


@pytest.mark.slow
def test_a_constant_map_has_the_pro_of_chance_as_in_anomalib():
    _, masks = CASES["random"]
    maps = np.ones(masks.shape, np.float32)
    assert ours(maps, masks).pro == pytest.approx(pro_of_anomalib(maps, masks), abs=1e-3)


def test_without_any_defective_pixel_the_pixel_figures_are_undefined_and_not_chance():
    maps, masks = CASES["random"]
    found = ours(maps, np.zeros_like(masks))
    assert np.isnan([found.p_auroc, found.p_ap, found.p_f1, found.pro]).all()
    assert np.isfinite(found.i_auroc)
    found = ours(maps, np.ones_like(masks))
    assert np.isnan([found.p_auroc, found.p_ap, found.p_f1, found.pro]).all()
