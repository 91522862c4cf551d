from __future__ import annotations

import os
from pathlib import Path

import pytest
from drawn_parts import draw_part, save_parts
from PIL import Image

from res2clip_runtime.errors import ArtefactNotFoundError, InputError, SourceError
from res2clip_runtime.sources import open_camera, open_source
from res2clip_runtime.sources.picture_paths import find_pictures
from res2clip_runtime.sources.v4l2 import describe_devices, list_devices


def ids(place: object, **options: object) -> list[str]:
    with open_source(str(place), **options) as source:  # type: ignore[arg-type]
        frames = list(source)
        assert source.count == len(frames)
        return [frame.frame_id for frame in frames]


def test_single_picture_is_taken_whatever_its_ending(tmp_path: Path) -> None:
    path = tmp_path / "part.capture"
    Image.fromarray(draw_part(0)).save(path, format="PNG")
    assert ids(path) == ["part.capture"]


def test_folder_gives_its_pictures_sorted_with_subfolders(tmp_path: Path) -> None:
    save_parts(tmp_path / "b", 2)
    save_parts(tmp_path / "a", 1)
    save_parts(tmp_path, 1, first_seed=5)
    (tmp_path / "notes.txt").touch()
    (tmp_path / "PART.JPG").touch()
    assert ids(tmp_path) == ["005.png", "PART.JPG", "a/000.png", "b/000.png", "b/001.png"]


def test_hidden_files_and_folders_are_left_out(tmp_path: Path) -> None:
    save_parts(tmp_path, 1)
    save_parts(tmp_path / ".cache", 1)
    (tmp_path / ".000.png.abc.png").touch()
    assert ids(tmp_path) == ["000.png"]


def test_results_inside_the_folder_are_left_out(tmp_path: Path) -> None:
    save_parts(tmp_path, 1)
    save_parts(tmp_path / "results" / "pictures", 2)
    assert ids(tmp_path, exclude=[tmp_path / "results"]) == ["000.png"]


def test_glob_gives_its_matches_sorted(tmp_path: Path) -> None:
    save_parts(tmp_path / "a", 2)
    save_parts(tmp_path / "b", 1)
    (tmp_path / "a" / "000.txt").touch()
    assert ids(tmp_path / "a" / "*") == ["000.png", "001.png"]
    assert ids(tmp_path / "*" / "000.*") == ["a/000.png", "b/000.png"]
    assert ids(tmp_path / "**" / "*.png") == ["a/000.png", "a/001.png", "b/000.png"]


def test_relative_glob_names_frames_below_its_fixed_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_parts(tmp_path / "a", 1)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert ids("../a/*.png") == ["000.png"]


def test_file_whose_name_looks_like_a_pattern_is_a_file(tmp_path: Path) -> None:
    path = tmp_path / "part[1].png"
    Image.fromarray(draw_part(0)).save(path)
    assert ids(path) == ["part[1].png"]


def test_teaching_does_not_reach_into_subfolders(tmp_path: Path) -> None:
    save_parts(tmp_path / "good", 2)
    save_parts(tmp_path / "good" / "rejected", 2)
    assert len(find_pictures(str(tmp_path / "good")).paths) == 2
    with pytest.raises(SourceError, match="its subfolders do"):
        find_pictures(str(tmp_path))


def test_folder_without_pictures_lists_the_endings(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"holds no pictures; known endings: .*\.png"):
        open_source(str(tmp_path))


def test_glob_without_matches_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no picture matches"):
        open_source(str(tmp_path / "*.png"))


def test_missing_place_is_named() -> None:
    with pytest.raises(ArtefactNotFoundError, match="nowhere"):
        open_source("nowhere")


def test_number_is_a_camera_unless_there_is_such_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("cv2", reason="the extra 'camera' is not installed")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SourceError, match="there is no camera 97"):
        open_source("97")
    save_parts(tmp_path / "97", 1)
    assert ids("97") == ["000.png"]


@pytest.mark.parametrize("url", ["ftp://camera/1", "file://a.png", "onvif://camera"])
def test_what_gives_no_pictures_is_refused_with_what_does(url: str) -> None:
    with pytest.raises(InputError, match=r"known: .*rtsp"):
        open_source(url)


def test_picture_is_not_opened_before_it_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "broken.png").touch()
    assert ids(tmp_path) == ["broken.png"]


def test_camera_that_does_not_exist_is_said_with_those_that_do() -> None:
    pytest.importorskip("cv2", reason="the extra 'camera' is not installed")
    taken = {device.index for device in list_devices()}
    missing = next(index for index in range(7, 99) if index not in taken)
    with pytest.raises(
        SourceError, match=f"no camera {missing}.*(cameras that exist|no camera is)"
    ):
        open_camera(missing)


def test_cameras_are_listed_with_their_names(tmp_path: Path) -> None:
    """On a copy of the kernel's folder, because the machine may have no camera."""
    sysfs, dev = tmp_path / "sys", tmp_path / "dev"
    for node, name in (("video10", "Rear\n"), ("video2", "Front\n"), ("v4l-subdev0", "x")):
        (sysfs / node).mkdir(parents=True)
        (sysfs / node / "name").write_text(name)
    dev.mkdir()
    (dev / "video2").touch()
    devices = list_devices(sysfs=sysfs, dev=dev)
    assert [(d.index, d.name, d.readable) for d in devices] == [
        (2, "Front", True),
        (10, "Rear", False),
    ]
    assert describe_devices(devices) == "cameras that exist: 2 (Front), 10 (Rear, no permission)"
    assert "no camera is connected" in describe_devices(())


def test_a_name_that_is_no_utf8_becomes_text(tmp_path: Path) -> None:
    from PIL import Image

    odd = os.fsdecode(os.fsencode(tmp_path) + b"/p\xff.png")
    Image.new("RGB", (40, 40)).save(odd)
    with open_source(str(tmp_path)) as source:
        (frame,) = source
    assert frame.frame_id == "p\\xff.png"
    frame.frame_id.encode()


def test_results_inside_the_source_are_not_inspected(tmp_path: Path) -> None:
    from PIL import Image

    for name in ("a.png", "pictures/a.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (40, 40)).save(tmp_path / name)
    for place in (str(tmp_path), f"{tmp_path}/**/*.png"):
        with open_source(place, exclude=[tmp_path / "pictures"]) as source:
            assert [frame.frame_id for frame in source] == ["a.png"]
