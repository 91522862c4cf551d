from __future__ import annotations

import sys

import numpy as np
import pytest

from res2clip_runtime.errors import InputError, SourceError
from res2clip_runtime.sources.bayer import BAYER_ORDERS, bayer_to_rgb, bilinear
from res2clip_runtime.sources.pixel_formats import to_rgb

RED, GREEN, BLUE = 200, 100, 50
SITES = {"RG": "RGGB", "GB": "GBRG", "GR": "GRBG", "BG": "BGGR"}


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def mosaic(order: str, height: int = 8, width: int = 10) -> np.ndarray:
    """A uniformly coloured wall as a sensor of this order sees it."""
    colours = {"R": RED, "G": GREEN, "B": BLUE}
    tile = np.array([colours[site] for site in SITES[order]], np.uint8).reshape(2, 2)
    return np.tile(tile, (height // 2 + 1, width // 2 + 1))[:height, :width]


@pytest.mark.parametrize("order", BAYER_ORDERS)
@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_a_coloured_wall_keeps_its_colour_through_every_mosaic(order: str, bits: int) -> None:
    raw = mosaic(order)
    data = raw if bits == 8 else (raw.astype("<u2") << (bits - 8)) + 3
    picture = to_rgb(data.tobytes(), f"Bayer{order}{bits}", width=10, height=8)
    assert picture.shape == (8, 10, 3)
    assert picture.dtype == np.uint8
    assert (picture == (RED, GREEN, BLUE)).all()


@pytest.mark.parametrize("order", BAYER_ORDERS)
@pytest.mark.parametrize("shape", [(4, 4), (7, 9), (48, 64)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_numpy_and_opencv_give_the_same_colours(
    order: str, shape: tuple[int, int], dtype: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("cv2", reason="the extra 'camera' is not installed")
    values = noise(*shape).astype(dtype) * (1 if dtype is np.uint8 else 257)
    bits = 8 * values.itemsize
    by_opencv = bayer_to_rgb(values, order=order, bits=bits)
    monkeypatch.setitem(sys.modules, "cv2", None)
    np.testing.assert_array_equal(bayer_to_rgb(values, order=order, bits=bits), by_opencv)


def test_an_edge_is_placed_where_it_is() -> None:
    """Left half red, right half blue: within a pixel of the edge the colours are pure."""
    left, right = mosaic("RG"), mosaic("RG")
    left[left != RED], right[right != BLUE] = 0, 0
    picture = bilinear(np.hstack([left, right]), order="RG")
    assert (picture[:, :9] == (RED, 0, 0)).all()
    assert (picture[:, 11:] == (0, 0, BLUE)).all()


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_grey_of_any_depth_keeps_its_top_8_bits(bits: int) -> None:
    grey = noise(6, 8)
    data = grey if bits == 8 else (grey.astype("<u2") << (bits - 8)) | ((1 << (bits - 8)) - 1)
    picture = to_rgb(data.tobytes(), f"Mono{bits}", width=8, height=6)
    for channel in range(3):
        np.testing.assert_array_equal(picture[:, :, channel], grey)


@pytest.mark.parametrize("name", ["Mono10p", "Mono12p"])
def test_a_stream_of_bits_is_taken_apart(name: str) -> None:
    bits = int(name[4:6])
    values = np.random.default_rng(1).integers(0, 1 << bits, (3, 8))
    data = b""
    for row in values:  # by Python's own long integers: the lowest bit of the first pixel first
        number = sum(int(value) << (bits * place) for place, value in enumerate(row))
        data += number.to_bytes(bits, "little")
    picture = to_rgb(data, name, width=8, height=3)
    np.testing.assert_array_equal(picture[:, :, 0], values >> (bits - 8))


def test_two_pixels_in_three_bytes_are_taken_apart() -> None:
    picture = to_rgb(b"\xab\xfc\x12\x00\xf0\xff", "Mono12Packed", width=4, height=1)
    assert picture[0, :, 0].tolist() == [0xAB, 0x12, 0x00, 0xFF]


def test_bgr_and_alpha_become_rgb() -> None:
    pixels = noise(4, 5, 4)
    for name, expected in (
        ("RGB8", pixels[:, :, :3]),
        ("BGR8", pixels[:, :, 2::-1]),
        ("RGBa8", pixels[:, :, :3]),
        ("BGRa8", pixels[:, :, 2::-1]),
    ):
        data = pixels if "a" in name else pixels[:, :, :3]
        picture = to_rgb(data.tobytes(), name, width=5, height=4)
        np.testing.assert_array_equal(picture, expected)
        assert picture.flags.c_contiguous
        assert picture.flags.writeable, "its own copy: the camera's buffer is used again"


@pytest.mark.parametrize(
    ("name", "code", "shape"),
    [
        ("NV12", "COLOR_YUV2RGB_NV12", (36, 32, 1)),
        ("YUYV", "COLOR_YUV2RGB_YUYV", (24, 32, 2)),
        ("UYVY", "COLOR_YUV2RGB_UYVY", (24, 32, 2)),
    ],
)
def test_video_colours_are_those_of_opencv(name: str, code: str, shape: tuple[int, ...]) -> None:
    cv2 = pytest.importorskip("cv2", reason="the extra 'camera' is not installed")
    data = noise(*shape)
    expected = cv2.cvtColor(data, getattr(cv2, code))
    picture = to_rgb(data.tobytes(), name, width=32, height=24)
    np.testing.assert_array_equal(picture, expected)


def test_black_and_white_of_television_are_black_and_white() -> None:
    data = bytes([16, 128, 235, 128])
    assert to_rgb(data, "YUYV", width=2, height=1).tolist() == [[[0] * 3, [255] * 3]]


def test_what_fills_up_the_rows_is_left_out() -> None:
    pixels = noise(3, 5, 3)
    filled = np.full((3, 20), 7, np.uint8)
    filled[:, :15] = pixels.reshape(3, 15)
    for data in (filled.tobytes(), filled.tobytes()[:-5]):
        picture = to_rgb(data, "RGB8", width=5, height=3, stride=20)
        np.testing.assert_array_equal(picture, pixels)


def test_a_buffer_that_is_too_small_is_never_a_picture() -> None:
    with pytest.raises(SourceError, match="cut off"):
        to_rgb(bytes(8 * 6 - 1), "Mono8", width=8, height=6)


@pytest.mark.parametrize("name", ["YCbCr411_8", "Coord3D_C16", "Mono9", "Mono14p", "mono8"])
def test_an_unknown_format_is_said_with_those_that_are_known(name: str) -> None:
    with pytest.raises(InputError, match=r"not known"):
        to_rgb(bytes(1000), name, width=8, height=6)


@pytest.mark.parametrize(
    ("name", "width", "height"),
    [("Mono12p", 7, 4), ("Mono10p", 6, 4), ("YUYV", 7, 4), ("NV12", 6, 3), ("BayerRG8", 3, 3)],
)
def test_sizes_that_a_format_cannot_have_are_refused(name: str, width: int, height: int) -> None:
    with pytest.raises(InputError):
        to_rgb(bytes(1000), name, width=width, height=height)
