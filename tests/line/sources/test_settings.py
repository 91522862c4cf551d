from __future__ import annotations

from pathlib import Path

import pytest

from res2clip_runtime.errors import InputError
from res2clip_runtime.sources import CameraSettings, open_source


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"width": 0}, "width must be above 0, got 0"),
        ({"height": -3}, "height must be above 0"),
        ({"fps": float("nan")}, "fps must be above 0"),
        ({"exposure_us": 0.0}, "exposure_us"),
        ({"gain": float("inf")}, "gain must be a finite number"),
        ({"read_timeout_s": 0}, "read_timeout_s"),
        ({"connect_timeout_s": float("inf")}, "connect_timeout_s"),
        ({"trigger": "hardware"}, 'trigger must be "off", "software" or .*got "hardware"'),
        ({"transport": "quic"}, 'transport must be "tcp" or "udp"'),
    ],
)
def test_a_value_that_no_camera_can_have_is_refused_with_its_name(given, message: str) -> None:
    with pytest.raises(InputError, match=message):
        CameraSettings(**given)


def test_the_password_comes_from_the_file_or_the_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAMERA_PASSWORD", "of the variable")
    key = tmp_path / "key"
    key.write_text("of the file\nanother line\n")
    assert CameraSettings().password() is None
    by_variable = CameraSettings(password_env="CAMERA_PASSWORD")
    assert by_variable.password() == "of the variable"
    both = CameraSettings(password_env="CAMERA_PASSWORD", password_file=key)
    assert both.password() == "of the file"
    for settings in (by_variable, both):
        assert "of the" not in repr(settings), "a setting may be logged"


def test_a_password_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="NO_SUCH_VARIABLE, which is not set"):
        CameraSettings(password_env="NO_SUCH_VARIABLE").password()
    with pytest.raises(InputError, match=r"password_file .*nowhere"):
        CameraSettings(password_file=tmp_path / "nowhere").password()


@pytest.mark.parametrize(
    ("place", "given", "message"),
    [
        ("rtsp://a/1", {"trigger": "line0"}, 'rtsp: source has no trigger .trigger = "line0"'),
        ("rtsp://a/1", {"exposure_us": 5000.0}, "no exposure_us .exposure_us = 5000.*takes: width"),
        ("http://a/1", {"transport": "udp"}, "no transport"),
        ("0", {"trigger": "line0"}, "v4l2: source has no trigger"),
        ("v4l2:///dev/video0", {"user": "line"}, r"no user \(user\)"),
        ("gst:videotestsrc", {"trigger": "line0"}, "gst: source has no trigger"),
        ("gst:videotestsrc", {"gain": 3.0}, "no gain .*takes: width, height"),
        ("gige://10.0.0.5", {"transport": "udp"}, "no transport"),
        (".", {"trigger": "software"}, "folder, picture or video has no trigger"),
        (".", {"width": 64}, "no width .width = 64.*takes: no settings"),
        ("watch:.", {"trigger": "line0"}, "watch: source has no trigger"),
        ("watch:.", {"gain": 1.0}, "no gain"),
    ],
)
def test_what_a_source_does_not_take_is_refused_with_its_name(
    place: str, given: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        open_source(place, settings=CameraSettings(**given))
