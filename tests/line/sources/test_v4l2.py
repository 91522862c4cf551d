"""Local cameras: a real V4L2 device in a virtual machine, and what is refused without one."""

from __future__ import annotations

from pathlib import Path

import pytest
from line.components.v4l2_machine import call_with_camera

from res2clip_runtime.errors import InputError, SourceError
from res2clip_runtime.sources import CameraSettings, open_source
from res2clip_runtime.sources.v4l2_camera import index_of

pytest.importorskip("cv2", reason="the extra 'camera' is not installed")


@pytest.mark.slow
def test_a_real_v4l2_camera_gives_pictures_takes_settings_and_is_found_again(
    tmp_path: Path,
) -> None:
    seen = call_with_camera(tmp_path, "line.sources.v4l2_scenarios", "everything")
    assert seen["devices"] == ["vivid-000-vid-cap"]

    assert seen["as it is"]["ids"] == 3
    assert 0 < seen["as it is"]["age_s"] < 2.0
    assert seen["set"]["describe"] == "camera 0 (640 x 360 px)"
    assert seen["set"]["shape"] == [360, 640, 3]
    assert seen["format"]["ids"] == 3
    _, yellow, *_, blue, _ = seen["set"]["bars"]
    assert min(yellow[:2]) > 150 > 60 > yellow[2], "the second of the colour bars"
    assert blue[2] > 150 > 60 > max(blue[:2]), "the last but one"

    assert "does not take pixel_format = MJPG, it has" in seen["no such format"]
    assert "does not take width = 641, it has 640" in seen["no such size"]
    assert "it has none" in seen["no exposure"]
    assert "does not take gain = 100" in seen["automatic gain"]
    assert seen["no V4L2 format"].startswith("InputError")

    assert "gives no more pictures" in seen["fatal error"]["lost"]
    assert seen["fatal error"]["again"]["ids"] == 3
    assert "gives no more pictures" in seen["unplugged"]["lost"]
    assert "there is no camera 0" in seen["unplugged"]["while away"]
    assert seen["unplugged"]["again"]["ids"] == 3


@pytest.mark.parametrize(
    ("place", "index"), [("0", 0), ("v4l2:3", 3), ("v4l2://12", 12), ("v4l2:///dev/video7", 7)]
)
def test_a_camera_is_named_by_number_or_device(place: str, index: int) -> None:
    assert index_of(place) == index


def test_a_link_to_a_device_is_followed(tmp_path: Path) -> None:
    links = tmp_path / "by-id"
    links.mkdir()
    (tmp_path / "video5").touch()
    (links / "usb-Maker_Camera_123").symlink_to(tmp_path / "video5")
    assert index_of(f"v4l2://{links / 'usb-Maker_Camera_123'}") == 5
    with pytest.raises(SourceError, match="is not connected"):
        index_of(f"v4l2://{links / 'usb-Other'}")


def test_what_is_no_video_device_is_refused() -> None:
    with pytest.raises(InputError, match="no video device"):
        open_source("v4l2:///dev/null")
    with pytest.raises(InputError, match="has no trigger"):
        open_source("v4l2:0", settings=CameraSettings(trigger="software"))
