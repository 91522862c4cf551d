from __future__ import annotations

import numpy as np
from drawn_parts import draw_part
from PIL import Image, ImageFilter

from res2clip_runtime.quality import (
    exposure_doubts,
    measure_sharpness,
    outlier_doubts,
    sharpness_doubts,
)

PART = draw_part(0, size_px=(320, 280))


def blurred(radius: float) -> np.ndarray:
    return np.asarray(Image.fromarray(PART).filter(ImageFilter.GaussianBlur(radius)))


def test_usual_picture_is_not_doubted() -> None:
    assert exposure_doubts("a", PART) == []
    assert sharpness_doubts([("a", measure_sharpness(PART))]) == []


def test_over_exposed_picture_is_doubted() -> None:
    bright = np.clip(PART.astype(int) + 215, 0, 255).astype(np.uint8)
    (doubt,) = exposure_doubts("a", bright)
    assert doubt.name == "a"
    assert "over-exposed" in doubt.message


def test_black_picture_is_doubted() -> None:
    (doubt,) = exposure_doubts("a", np.zeros_like(PART))
    assert "under-exposed" in doubt.message


def test_blurred_picture_is_doubted_even_alone() -> None:
    (doubt,) = sharpness_doubts([("a", measure_sharpness(blurred(6)))])
    assert "blurred" in doubt.message


def test_softest_of_several_is_doubted() -> None:
    named = [(str(i), measure_sharpness(draw_part(i, size_px=(320, 280)))) for i in range(3)]
    named.append(("soft", measure_sharpness(blurred(3))))
    assert [doubt.name for doubt in sharpness_doubts(named)] == ["soft"]


def test_outlier_needs_three_pictures_to_stand_out_from() -> None:
    assert outlier_doubts(["a", "b"], [0.1, 0.9]) == []
    assert [d.name for d in outlier_doubts(["a", "b", "c"], [0.1, 0.1, 0.2])] == ["c"]


def test_flat_picture_is_measured_without_a_warning() -> None:
    measured = measure_sharpness(np.full((40, 50, 3), 128, dtype=np.uint8))
    assert np.isfinite([measured.edge_strength, measured.survives_blur]).all()


def test_binarised_scan_is_not_called_over_exposed() -> None:
    scan = np.where(PART > 128, 255, 0).astype(np.uint8)
    scan[:] = scan[:, :, :1]
    assert exposure_doubts("a", scan) == []
