"""Any maker's camera through its GenTL producer, from a producer with simulated cameras."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from line.components.gentl_simulator import producer

from res2clip_runtime.errors import ArtefactNotFoundError, InputError, SourceError
from res2clip_runtime.sources import CameraSettings, open_source

pytest.importorskip("harvesters", reason="the extra 'gentl' is not installed")


def test_a_camera_gives_coloured_pictures() -> None:
    with open_source(f"gentl:{producer()}#VikyTL_DEV_green") as source:
        assert source.live
        assert "VikyTL_DEV_green (400 x 400 px, GenTL)" in source.describe()
        frames = [source.read(5.0) for _ in range(4)]
    images = [np.asarray(frame.image) for frame in frames if frame]
    assert len({frame.frame_id for frame in frames if frame}) == 4
    assert all(image.shape == (400, 400, 3) and image.dtype == np.uint8 for image in images)
    assert images[0][:, :, 1].max() > 200
    assert (images[0] != images[-1]).any(), "the ball bounces"


def test_cameras_of_one_producer_are_told_apart() -> None:
    brightest = {}
    for name in ("red", "blue"):
        with open_source(f"gentl:{producer()}#VikyTL_DEV_{name}") as source:
            frame = source.read(5.0)
            assert frame is not None
            brightest[name] = np.asarray(frame.image).reshape(-1, 3).astype(int)
    difference = brightest["red"].mean(0) - brightest["blue"].mean(0)
    assert difference[0] > 0 > difference[2]


def test_size_and_format_are_set() -> None:
    settings = CameraSettings(width=200, height=160, pixel_format="Mono8", fps=40)
    with open_source(f"gentl:{producer()}", settings=settings) as source:
        frame = source.read(5.0)
    assert frame is not None
    image = np.asarray(frame.image)
    assert image.shape == (160, 200, 3)
    assert (image == image[:, :, :1]).all()


def test_a_slow_picture_is_none_and_not_an_error() -> None:
    with open_source(f"gentl:{producer()}", settings=CameraSettings(fps=2)) as source:
        assert source.read(5.0) is not None
        assert source.read(0.0) is None
        assert source.read(5.0) is not None


def test_what_the_camera_lacks_is_said() -> None:
    place = f"gentl:{producer()}"
    with pytest.raises(InputError, match="has no trigger"):
        open_source(place, settings=CameraSettings(trigger="software"))
    with pytest.raises(InputError, match="ExposureTime"):
        open_source(place, settings=CameraSettings(exposure_us=100))
    with pytest.raises(SourceError, match="does not take a setting: Width = 7000000"):
        open_source(place, settings=CameraSettings(width=7_000_000))
    with pytest.raises(SourceError, match=r"finds no camera 4711; it finds: VikyTL_DEV_red"):
        open_source(f"{place}#4711")


def test_what_is_no_producer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtefactNotFoundError, match=r"there is no GenTL producer"):
        open_source("gentl:/nowhere/maker.cti")
    (tmp_path / "bad.cti").write_bytes(b"not a library")
    with pytest.raises(SourceError, match="no GenTL producer for this machine"):
        open_source(f"gentl:{tmp_path / 'bad.cti'}")
    with pytest.raises(InputError, match="names no producer"):
        open_source("gentl:")


def test_a_camera_can_be_opened_again_after_it_was_closed() -> None:
    for _ in range(3):
        with open_source(f"gentl:{producer()}") as source:
            assert source.read(5.0)
