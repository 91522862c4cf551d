"""Local cameras: how they are named, and what is refused; real ones are in ``tests/vm``."""

from __future__ import annotations

from pathlib import Path

import pytest

from res2clip_runtime.errors import InputError, SourceError
from res2clip_runtime.sources import CameraSettings, open_source
from res2clip_runtime.sources.v4l2_camera import index_of

pytest.importorskip("cv2", reason="the extra 'camera' is not installed")


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
