from __future__ import annotations

import subprocess
import sys
from dataclasses import astuple

import numpy as np
import pytest
from scipy.integrate import trapezoid

from res2clip.metrics import measure, with_pixels
from res2clip.pixel_scores import PixelScores
from res2clip_runtime.errors import InputError, OutputError

MVTEC_LARGEST = 167  # test pictures of pill; none of MVTec AD's categories has more


def example(seed=0, n=5, side=40):
    rng = np.random.default_rng(seed)
    masks = rng.random((n, side, side)) < 0.1
    maps = np.round(rng.random((n, side, side)) + 0.3 * masks, 2).astype(np.float32)
    return maps, masks


def test_counting_piece_by_piece_gives_the_same_figures(monkeypatch):
    maps, masks = example()
    whole = measure([0, 1, 1, 0, 1], range(5), maps=maps, masks=masks)
    monkeypatch.setattr("res2clip.pixel_scores._PIECE", 777)
    pieces = measure([0, 1, 1, 0, 1], range(5), maps=maps, masks=masks)
    assert astuple(pieces) == astuple(whole)


def test_figures_may_be_asked_for_in_between():
    maps, masks = example()
    with PixelScores() as pixels:
        for one, mask in zip(maps[:3], masks[:3], strict=True):
            pixels.add(one, mask)
        pixels.figures()
        for one, mask in zip(maps[3:], masks[3:], strict=True):
            pixels.add(one, mask)
        found = with_pixels([0, 1, 1, 0, 1], range(5), pixels.figures())
    assert found == measure([0, 1, 1, 0, 1], range(5), maps=maps, masks=masks)


def test_the_curves_are_those_of_the_figures():
    maps, masks = example(n=8, side=80)
    with PixelScores() as pixels:
        for one, mask in zip(maps, masks, strict=True):
            pixels.add(one, mask)
        figures = pixels.figures()
    curves = figures.curves
    assert trapezoid(curves.recall, curves.false_alarms) == pytest.approx(figures.auroc, abs=1e-3)
    assert len(curves.recall) == len(curves.precision) <= 302
    assert (curves.false_alarms[0], curves.false_alarms[-1]) == (0, 1)
    assert curves.recall[-1] == 1
    assert curves.precision[-1] == pytest.approx(masks.mean())


def test_no_maps_and_maps_of_one_class_have_no_figures():
    with PixelScores() as pixels:
        assert pixels.figures() is None
        pixels.add(np.zeros((4, 4), np.float32), np.zeros((4, 4), bool))
        assert pixels.figures() is None


def test_a_map_of_another_size_than_its_mask_is_refused():
    with PixelScores() as pixels, pytest.raises(InputError, match="same shape"):
        pixels.add(np.zeros((4, 4), np.float32), np.zeros((5, 5), bool))


def test_a_full_disk_is_one_line_that_names_the_remedy(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with PixelScores() as pixels:
        pixels._file.close()
        pixels._file = open("/dev/full", "wb", buffering=0)  # noqa: SIM115, PTH123 (closed by it)
        with pytest.raises(OutputError, match=r"No space left.*set TMPDIR"):
            pixels.add(np.zeros((64, 64), np.float32), np.zeros((64, 64), bool))


_FULL_SIZE = f"""
import resource, numpy as np
from res2clip.pixel_scores import PixelScores
def peak_mb(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
before, rng = peak_mb(), np.random.default_rng(0)
mask = np.zeros((518, 518), bool); mask[200:300, 200:300] = True  # 3.7 %, as in MVTec AD
good = np.zeros_like(mask)
with PixelScores() as pixels:
    for i in range({MVTEC_LARGEST}):
        pixels.add(rng.random((518, 518), np.float32), mask if i % 4 else good)
    figures = pixels.figures()
assert abs(figures.auroc - 0.5) < 0.01
print(peak_mb() - before)
"""


@pytest.mark.slow
def test_the_largest_category_of_mvtec_at_518_px_needs_little_memory():
    done = subprocess.run(
        [sys.executable, "-c", _FULL_SIZE], capture_output=True, text=True, check=True
    )
    assert float(done.stdout) < 300  # MB; measured 162, most of it for the defective pixels
