from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from res2clip_runtime.errors import ArtefactNotFoundError, InputError
from res2clip_runtime.preprocess import load_rgb, resize_square, to_square


def save(picture: Image.Image, path: Path, **options: object) -> Path:
    picture.save(path, **options)
    return path


def gradient(height: int = 40, width: int = 50) -> np.ndarray:
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows * 5, columns * 4, (rows + columns) * 2], axis=2).astype(np.uint8)


def test_rgb_png_comes_back_as_it_was(tmp_path: Path) -> None:
    path = save(Image.fromarray(gradient()), tmp_path / "a.png")
    np.testing.assert_array_equal(load_rgb(path), gradient())


def test_grey_picture_has_three_equal_channels(tmp_path: Path) -> None:
    grey = gradient()[..., 0]
    image = load_rgb(save(Image.fromarray(grey), tmp_path / "a.png"))
    assert image.shape == (40, 50, 3)
    for channel in range(3):
        np.testing.assert_array_equal(image[..., channel], grey)


def test_alpha_is_dropped_and_not_painted(tmp_path: Path) -> None:
    alpha = np.zeros((40, 50, 1), dtype=np.uint8)
    rgba = Image.fromarray(np.concatenate([gradient(), alpha], axis=2))
    np.testing.assert_array_equal(load_rgb(save(rgba, tmp_path / "a.png")), gradient())


def test_grey_with_alpha_keeps_its_grey(tmp_path: Path) -> None:
    grey = gradient()[..., 0]
    picture = Image.merge("LA", [Image.fromarray(grey), Image.new("L", (50, 40), 0)])
    image = load_rgb(save(picture, tmp_path / "a.png"))
    np.testing.assert_array_equal(image[..., 0], grey)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_sixteen_bit_grey_is_scaled_and_never_clipped(tmp_path: Path, suffix: str) -> None:
    values = np.linspace(0, 65535, 40 * 50).round().astype(np.uint16).reshape(40, 50)
    image = load_rgb(save(Image.fromarray(values), tmp_path / f"a{suffix}"))
    np.testing.assert_array_equal(image[..., 1], np.rint(values / 257.0).astype(np.uint8))
    assert len(np.unique(image)) == 256


def test_dark_sixteen_bit_picture_keeps_its_scale(tmp_path: Path) -> None:
    """Stretching each picture to its own range would make a dark part look like a bright one."""
    values = np.full((40, 50), 2570, dtype=np.uint16)
    image = load_rgb(save(Image.fromarray(values), tmp_path / "a.png"))
    assert (image == 10).all()


def test_big_endian_sixteen_bit_picture_is_read_right() -> None:
    values = np.full((40, 50), 0x1234, dtype=np.uint16)
    picture = Image.frombytes("I;16B", (50, 40), values.astype(">u2").tobytes())
    assert (load_rgb(picture) == round(0x1234 / 257)).all()


def test_sixteen_bit_colour_png_is_scaled(tmp_path: Path) -> None:
    import struct
    import zlib

    values = (gradient().astype(np.uint16) * 257).astype(">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in values)

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)

    header = struct.pack(">IIBBBBB", 50, 40, 16, 2, 0, 0, 0)
    path = tmp_path / "a.png"
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )
    np.testing.assert_array_equal(load_rgb(path), gradient())


@pytest.mark.parametrize(
    ("orientation", "turn"),
    [
        (1, lambda a: a),
        (2, lambda a: a[:, ::-1]),
        (3, lambda a: a[::-1, ::-1]),
        (4, lambda a: a[::-1]),
        (5, lambda a: a.transpose(1, 0, 2)),
        (6, lambda a: np.rot90(a, -1)),
        (7, lambda a: a[::-1, ::-1].transpose(1, 0, 2)),
        (8, lambda a: np.rot90(a, 1)),
    ],
)
def test_exif_orientation_is_applied(tmp_path: Path, orientation: int, turn: object) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(Image.fromarray(gradient()), tmp_path / "a.png", exif=exif.tobytes())
    np.testing.assert_array_equal(load_rgb(path), turn(gradient()))  # type: ignore[operator]


def test_palette_picture_gets_its_colours(tmp_path: Path) -> None:
    palette = Image.fromarray(gradient()).quantize(64)
    expected = np.asarray(palette.convert("RGB"))
    np.testing.assert_array_equal(load_rgb(save(palette, tmp_path / "a.png")), expected)


def test_palette_with_transparency_keeps_the_hidden_colour(tmp_path: Path) -> None:
    picture = Image.new("P", (50, 40), 1)
    picture.putpalette([0, 0, 0, 200, 100, 50])
    path = save(picture, tmp_path / "a.png", transparency=1)
    assert (load_rgb(path) == (200, 100, 50)).all()


def test_bilevel_picture_is_black_and_white(tmp_path: Path) -> None:
    picture = Image.fromarray(gradient()[..., 0]).convert("1")
    assert set(np.unique(load_rgb(save(picture, tmp_path / "a.png")))) == {0, 255}


def test_cmyk_jpeg_is_converted(tmp_path: Path) -> None:
    red = Image.new("CMYK", (50, 40), (0, 255, 255, 0))
    image = load_rgb(save(red, tmp_path / "a.jpg", quality=95))
    assert image.shape == (40, 50, 3)
    assert (np.abs(image.astype(int) - (255, 0, 0)) < 8).all()


def test_twelve_megapixel_picture_is_read(tmp_path: Path) -> None:
    large = np.repeat(np.repeat(gradient(30, 40), 100, axis=0), 100, axis=1)
    path = save(Image.fromarray(large), tmp_path / "a.jpg")
    assert load_rgb(path).shape == (3000, 4000, 3)
    assert to_square(path, 64).shape == (64, 64, 3)


def test_picture_above_pillows_first_limit_is_read_without_a_warning(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The suite turns warnings into errors; line-scan pictures pass this limit."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1500)
    path = save(Image.fromarray(gradient()), tmp_path / "a.png")
    assert load_rgb(path).shape == (40, 50, 3)


def test_decompression_bomb_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    path = save(Image.fromarray(gradient()), tmp_path / "a.png")
    with pytest.raises(InputError, match="too large to decode safely"):
        load_rgb(path)


def test_array_and_pil_image_are_taken_as_they_are() -> None:
    np.testing.assert_array_equal(load_rgb(gradient()), gradient())
    np.testing.assert_array_equal(load_rgb(Image.fromarray(gradient())), gradient())


def test_view_with_strides_becomes_contiguous() -> None:
    image = load_rgb(gradient()[::-1, ::-1, ::-1])
    assert image.flags.c_contiguous
    np.testing.assert_array_equal(image, gradient()[::-1, ::-1, ::-1])


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((40, 50), dtype=np.uint8),
        np.zeros((40, 50, 4), dtype=np.uint8),
        np.zeros((40, 50, 3), dtype=np.float32),
        np.zeros((1, 40, 50, 3), dtype=np.uint8),
    ],
)
def test_array_of_another_kind_is_refused(array: np.ndarray) -> None:
    with pytest.raises(InputError, match="must be \\(H, W, 3\\) uint8 RGB"):
        load_rgb(array)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".tif", ".webp"])
def test_truncated_picture_is_refused(tmp_path: Path, suffix: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3)).astype(np.uint8)
    path = save(Image.fromarray(noise), tmp_path / f"a{suffix}")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match=r"damaged or truncated|not a picture"):
        load_rgb(path)


@pytest.mark.parametrize("data", [b"", b"hello", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0" * 9])
def test_undecodable_file_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"a\.png"):
        load_rgb(path)


@pytest.mark.parametrize("suffix", [".gif", ".tif", ".webp", ".png"])
def test_picture_with_several_frames_is_refused(tmp_path: Path, suffix: str) -> None:
    frames = [Image.fromarray(np.roll(gradient(), 9 * i, axis=0)) for i in range(3)]
    path = save(frames[0], tmp_path / f"a{suffix}", save_all=True, append_images=frames[1:])
    with pytest.raises(InputError, match="animated or has several pages"):
        load_rgb(path)


def test_phone_photo_with_a_preview_behind_it_is_read(tmp_path: Path) -> None:
    photo, preview = Image.fromarray(gradient()), Image.new("RGB", (20, 20))
    path = tmp_path / "a.jpg"
    photo.save(path, format="MPO", save_all=True, append_images=[preview], quality=95)
    image = load_rgb(path)
    assert image.shape == (40, 50, 3)
    assert np.abs(image.astype(int) - gradient()).mean() < 4


@pytest.mark.parametrize("size", [(31, 40), (40, 31), (1, 1)])
def test_picture_smaller_than_32_px_is_refused(tmp_path: Path, size: tuple[int, int]) -> None:
    path = save(Image.new("RGB", size), tmp_path / "a.png")
    with pytest.raises(InputError, match="smaller than 32 px"):
        load_rgb(path)


def test_picture_of_exactly_32_px_is_taken() -> None:
    assert load_rgb(Image.new("RGB", (32, 32))).shape == (32, 32, 3)


def test_32_bit_picture_is_refused(tmp_path: Path) -> None:
    values = np.full((40, 50), 70_000, dtype=np.int32)
    with pytest.raises(InputError, match="32-bit pixels"):
        load_rgb(save(Image.fromarray(values), tmp_path / "a.tif"))


def test_floating_point_picture_is_refused(tmp_path: Path) -> None:
    values = np.full((40, 50), 0.5, dtype=np.float32)
    with pytest.raises(InputError, match="floating-point"):
        load_rgb(save(Image.fromarray(values), tmp_path / "a.tif"))


def test_missing_picture_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArtefactNotFoundError, match=r"nowhere\.png"):
        load_rgb(tmp_path / "nowhere.png")


def test_folder_is_no_picture(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Is a directory"):
        load_rgb(tmp_path)


def test_resizing_is_pillows_antialiased_bicubic() -> None:
    expected = Image.fromarray(gradient()).resize((33, 33), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(resize_square(gradient(), 33), np.asarray(expected))


def test_picture_of_the_right_size_is_not_touched() -> None:
    square = gradient(40, 40)
    assert resize_square(square, 40) is square


def test_reading_leaves_no_open_file(tmp_path: Path) -> None:
    path = save(Image.fromarray(gradient()), tmp_path / "a.png")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        load_rgb(path)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_pil_image_in_memory_is_not_changed() -> None:
    buffer = io.BytesIO()
    Image.fromarray(gradient()).save(buffer, format="PNG")
    picture = Image.open(buffer)
    load_rgb(picture)
    assert picture.size == (50, 40)


def test_tiff_whose_header_lacks_its_size_is_refused(tmp_path: Path) -> None:
    # Pillow raises TypeError for it: one directory entry, which is not the width.
    entry = struct.pack("<HHII", 0x0103, 3, 1, 1)
    path = tmp_path / "a.tif"
    path.write_bytes(b"II*\0" + struct.pack("<IH", 8, 1) + entry + struct.pack("<I", 0))
    with pytest.raises(InputError, match=r"a\.tif"):
        load_rgb(path)


def test_opened_picture_that_turns_out_truncated_is_refused(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes()[:5000])
    with Image.open(tmp_path / "b.png") as picture, pytest.raises(InputError, match="truncated"):
        load_rgb(picture)
