"""A resize on the host shim, and the same by Pillow."""

from __future__ import annotations

import dataclasses

import numpy as np
from PIL import Image

from gpu.host_kernels import HostKernels
from res2clip_runtime.kernels.resize_plan import FrameSize, ResizeBuffers, resize_launches

__all__ = ["as_rgb", "check_resize", "drawn_frame", "pillow_square", "resize_on_host"]


def resize_on_host(kernels: HostKernels, size: FrameSize, frame: np.ndarray) -> np.ndarray:
    """Return the (S, S, 3) uint8 that the kernels make of a frame's bytes."""
    memory = {name: np.full(n, 0xA5, np.uint8) for name, n in size.buffer_bytes.items()}
    assert frame.nbytes == memory["frame"].nbytes
    memory["frame"] = np.ascontiguousarray(frame)
    tables = size.tables()
    buffers = ResizeBuffers(**memory, **tables)
    taps = {"taps_x": tables["weights_x"].shape[1], "taps_y": tables["weights_y"].shape[1]}
    kernels.run(resize_launches(size, buffers, **taps))
    return memory["square"].reshape(size.size_px, size.size_px, 3)


def drawn_frame(size: FrameSize, *, seed: int = 0) -> np.ndarray:
    """Return a frame of noise with hard edges (white and black halves): (rows, pitch) uint8."""
    frame = np.random.default_rng(seed).integers(0, 256, size.buffer_bytes["frame"], dtype=np.uint8)
    frame = frame.reshape(-1, size.row_bytes)
    frame[: size.height // 3] = 255
    frame[size.height // 3 : size.height // 2] = 0
    return frame


def as_rgb(size: FrameSize, frame: np.ndarray) -> np.ndarray:
    """Return the (H, W, 3) uint8 RGB picture of a frame's bytes."""
    height, width = size.height, size.width
    if size.pixel_format in ("rgb", "bgr"):
        picture = frame[:, : 3 * width].reshape(height, width, 3)
        return picture if size.pixel_format == "rgb" else picture[..., ::-1]
    if size.pixel_format == "mono":
        return np.repeat(frame[:, :width, None], 3, axis=2)
    return _video_rgb(frame[:, :width], height, hd=size.pixel_format.endswith("709"))


def _video_rgb(planes: np.ndarray, height: int, *, hd: bool) -> np.ndarray:
    """ITU-R BT.601 or BT.709, video range, in float64."""
    luma = (planes[:height].astype(float) - 16) * 255 / 219
    chroma = planes[height:].reshape(height // 2, -1, 2).repeat(2, axis=0).repeat(2, axis=1)
    u, v = np.moveaxis((chroma.astype(float) - 128) * 255 / 224, 2, 0)
    red, blue = (0.2126, 0.0722) if hd else (0.299, 0.114)
    green = 1 - red - blue
    r, b = luma + 2 * (1 - red) * v, luma + 2 * (1 - blue) * u
    g = luma - 2 * (1 - red) * red / green * v - 2 * (1 - blue) * blue / green * u
    return np.clip(np.rint(np.stack([r, g, b], axis=-1)), 0, 255).astype(np.uint8)


def pillow_square(size: FrameSize, rgb: np.ndarray) -> np.ndarray:
    """Return the crop resized by Pillow."""
    picture = Image.fromarray(np.ascontiguousarray(rgb)).crop(size.box)
    return np.asarray(picture.resize((size.size_px, size.size_px), Image.Resampling.BICUBIC))


def check_resize(kernels: HostKernels) -> None:
    """Assert on small hard cases that the kernels equal Pillow; mutants fail here."""
    size = FrameSize(height=37, width=52, pixel_format="bgr", size_px=24, pitch=160)
    for crop in (None, (3, 5, 50, 36)):
        one = dataclasses.replace(size, crop=crop)
        frame = drawn_frame(one)
        expected = pillow_square(one, as_rgb(one, frame))
        np.testing.assert_array_equal(resize_on_host(kernels, one, frame), expected)
