"""Real V4L2 cameras: read, set, unplugged under a line, and back."""

from __future__ import annotations

from pathlib import Path

import pytest
from vm.machine import call_with_camera

pytestmark = pytest.mark.vm
pytest.importorskip("cv2", reason="the extra 'camera' is not installed")


def test_a_real_v4l2_camera_gives_pictures_takes_settings_and_is_found_again(
    tmp_path: Path,
) -> None:
    seen = call_with_camera(tmp_path, "vm.source_scenarios", "everything")
    assert seen["devices"] == ["vivid-000-vid-cap", "vivid-001-vid-cap"]

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


def test_camera_that_breaks_off_is_lost_judges_nothing_and_comes_back(
    tmp_path: Path, bundle: Path, recipe_file: Path, measured
) -> None:
    seen = call_with_camera(
        tmp_path, "vm.line_scenarios", "broken_off_in_free_run", str(recipe_file), str(bundle)
    )
    assert list(seen) == ["unplugged", "cable pulled", "fatal error"]
    for name, run in seen.items():
        assert "camera 0: lost: camera 0 gives no more pictures" in run["said"], name
        assert "camera 0: gives pictures again" in run["said"], name
        assert "Traceback" not in run["said"], name
        assert run["decisions"] == ["OK"], name
        assert run["exit code"] == 0, "SIGTERM"
        first, second = run["outages"]
        measured(f"USB camera, {name}", noticed=first["noticed_s"], back=second["back_s"])
    for name in ("unplugged", "cable pulled"):
        assert [outage["verdicts"] for outage in seen[name]["outages"]] == [0, 0], name


def test_trigger_while_a_camera_is_away_is_error_at_once(
    tmp_path: Path, bundle: Path, recipe_file: Path
) -> None:
    seen = call_with_camera(
        tmp_path, "vm.line_scenarios", "one_of_two_under_triggers", str(recipe_file), str(bundle)
    )
    assert (seen["before"]["decision"], seen["before"]["views"]) == ("OK", 2)
    for name in ("one is away", "both are away"):
        assert seen[name]["decision"] == "ERROR"
        assert "gives no pictures" in seen[name]["reason"]
        assert seen[name]["took_s"] < 5, "long before its deadline"
    assert "camera1" in seen["one is away"]["reason"]
    assert (seen["after"]["decision"], seen["after"]["views"]) == ("OK", 2)
