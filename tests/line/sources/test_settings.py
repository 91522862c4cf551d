from __future__ import annotations

from pathlib import Path

import pytest

from res2clip_runtime.errors import InputError
from res2clip_runtime.sources import CameraSettings


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
