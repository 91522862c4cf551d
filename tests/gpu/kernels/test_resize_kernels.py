"""The resize kernels on the host shim against Pillow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from gpu.host_kernels import HostKernels
from gpu.resize_on_host import as_rgb, check_resize, drawn_frame, pillow_square, resize_on_host
from PIL import Image

from res2clip_runtime.errors import InputError
from res2clip_runtime.kernels.resize_plan import PIXEL_FORMATS, FrameSize


def size_of(height: int, width: int, size_px: int, **more: object) -> FrameSize:
    return FrameSize(
        **{"height": height, "width": width, "size_px": size_px, "pixel_format": "rgb", **more}
    )


def test_small_hard_cases_equal_pillow(kernels: HostKernels) -> None:
    check_resize(kernels)


@pytest.mark.parametrize(
    "size",
    [
        size_of(240, 320, 56),
        size_of(33, 47, 56),
        size_of(40, 40, 40),
        size_of(40, 97, 40),
        size_of(32, 1000, 48),
        size_of(1, 1, 8),
        size_of(61, 83, 150, crop=(10, 7, 11, 60)),
        size_of(61, 83, 32, crop=(0, 0, 83, 30), pitch=83 * 3 + 7),
        size_of(61, 83, 32, pixel_format="mono"),
        size_of(61, 83, 32, pixel_format="bgr", crop=(1, 2, 80, 59)),
    ],
    ids=str,
)
def test_any_frame_equals_pillow_to_the_bit(kernels: HostKernels, size: FrameSize) -> None:
    frame = drawn_frame(size)
    expected = pillow_square(size, as_rgb(size, frame))
    np.testing.assert_array_equal(resize_on_host(kernels, size, frame), expected)


@pytest.mark.parametrize("pixel_format", ["nv12-bt601", "nv12-bt709"])
@pytest.mark.parametrize("crop", [None, (5, 3, 61, 40)])
def test_video_frame_is_within_a_grey_level(
    kernels: HostKernels, pixel_format: str, crop: tuple[int, int, int, int] | None
) -> None:
    size = size_of(48, 64, 40, pixel_format=pixel_format, crop=crop, pitch=80)
    frame = drawn_frame(size)
    expected = pillow_square(size, as_rgb(size, frame)).astype(int)
    difference = resize_on_host(kernels, size, frame).astype(int) - expected
    assert np.abs(difference).max() <= 1


@pytest.mark.slow
def test_full_hd_photo_equals_pillow_to_the_bit(host_library: Path) -> None:
    size = size_of(1080, 1920, 518)
    rows, columns = np.mgrid[0:1080, 0:1920]
    waves = 127.5 + 127.5 * np.sin(rows * columns / 3000.0)
    rgb = np.stack([waves, 255 - waves, (rows + columns) % 256], axis=-1).astype(np.uint8)
    made = resize_on_host(HostKernels(host_library), size, rgb)
    np.testing.assert_array_equal(made, pillow_square(size, rgb))
    assert made.shape == np.asarray(Image.fromarray(rgb).resize((518, 518))).shape


def test_frames_that_make_no_sense_are_refused() -> None:
    with pytest.raises(InputError, match="unknown pixel format 'yuyv'"):
        size_of(8, 8, 8, pixel_format="yuyv")
    with pytest.raises(InputError, match="even sides, got 9 x 8"):
        size_of(8, 9, 8, pixel_format="nv12-bt601")
    for crop in ((0, 0, 9, 8), (4, 0, 4, 8), (-1, 0, 4, 4)):
        with pytest.raises(InputError, match="does not lie in"):
            size_of(8, 8, 8, crop=crop)
    with pytest.raises(InputError, match="needs 24 bytes"):
        size_of(8, 8, 8, pitch=20)


def test_formats_have_the_numbers_of_the_kernel() -> None:
    from gpu.host_kernels import CSRC

    text = (CSRC / "resize.cuh").read_text(encoding="utf-8")
    names = [name.upper().replace("-", "_") for name in PIXEL_FORMATS]
    assert "{ " + ", ".join(f"{name} = {i}" for i, name in enumerate(names)) + " }" in text
