"""Pictures that another program writes into a folder."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from drawn_parts import draw_part, save_parts
from PIL import Image

from res2clip_runtime.errors import ArtefactNotFoundError, InputError
from res2clip_runtime.preprocess import load_rgb
from res2clip_runtime.sources import Source, open_source
from res2clip_runtime.sources.folder_watch import ends_like_a_picture


def name_of(source: Source, *, timeout_s: float = 10.0) -> str | None:
    frame = source.read(timeout_s)
    return frame.frame_id.partition("@")[0] if frame else None


def save(path: Path, seed: int, **options: object) -> Path:
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(draw_part(seed)).save(path, **options)
    return path


def test_each_new_picture_is_given_once(tmp_path: Path) -> None:
    save_parts(tmp_path, 2)
    with open_source(f"watch:{tmp_path}") as source:
        assert (source.live, source.waits, source.count) == (False, True, None)
        assert name_of(source, timeout_s=0.5) is None, "these were there before"
        save(tmp_path / "new.png", 5)
        frame = source.read(10.0)
        assert frame is not None
        assert frame.frame_id.startswith("new.png@")
        assert load_rgb(frame.image).shape == (80, 96, 3)
        assert name_of(source, timeout_s=0.8) is None


def test_pictures_that_are_there_already_count_when_asked_for(tmp_path: Path) -> None:
    save_parts(tmp_path, 2)
    with open_source(f"watch:{tmp_path}#all") as source:
        assert [name_of(source), name_of(source)] == ["000.png", "001.png"]
        assert name_of(source, timeout_s=0.5) is None


def test_a_half_written_picture_waits_until_it_is_whole(tmp_path: Path) -> None:
    data = save(tmp_path.with_name("whole.png"), 3).read_bytes()
    with open_source(f"watch:{tmp_path}") as source:
        with (tmp_path / "slow.png").open("wb") as file:
            for start in range(0, len(data) - 100, 4000):
                file.write(data[start : min(start + 4000, len(data) - 100)])
                file.flush()
                assert source.read(0.1) is None
            assert source.read(1.0) is None, "unchanged for long, but its end is missing"
            file.write(data[file.tell() :])
        frame = source.read(10.0)
        assert frame is not None
        assert load_rgb(frame.image).shape == (80, 96, 3)
        assert source.read(0.5) is None


def test_a_picture_that_stays_half_is_given_late_and_cannot_be_ok(tmp_path: Path) -> None:
    """Its writer was killed: no part may pass unnoticed."""
    data = save(tmp_path.with_name("whole.png"), 3).read_bytes()
    with open_source(f"watch:{tmp_path}") as source:
        (tmp_path / "torn.png").write_bytes(data[: len(data) // 2])
        frame = source.read(12.0)
        assert frame is not None
        with pytest.raises(InputError, match=r"torn\.png"):
            load_rgb(frame.image)


def test_a_writer_that_is_killed_and_starts_again_is_followed(tmp_path: Path) -> None:
    """It begins with the same names; what it replaces is a new picture."""
    program = (
        "import sys, pathlib, time; data = pathlib.Path(sys.argv[1]).read_bytes()\n"
        "for n in range(2): pathlib.Path(sys.argv[2], f'{n}.png').write_bytes(data)\n"
        "print('written', flush=True); time.sleep(60)"
    )
    with open_source(f"watch:{tmp_path}") as source:
        ids = []
        for seed in (1, 2):
            whole = save(tmp_path.with_name(f"{seed}.png"), seed)
            command = [sys.executable, "-c", program, str(whole), str(tmp_path)]
            with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
                assert writer.stdout is not None
                writer.stdout.readline()
                writer.kill()
            for _ in range(2):
                frame = source.read(10.0)
                assert frame is not None
                ids.append(frame.frame_id)
        assert [i.partition("@")[0] for i in ids] == ["0.png", "1.png"] * 2
        assert len(set(ids)) == 4


def test_a_picture_that_is_renamed_into_place_counts_once(tmp_path: Path) -> None:
    with open_source(f"watch:{tmp_path}") as source:
        hidden = save(tmp_path / ".part.png", 1)
        unknown = save(tmp_path / "part.tmp", 2, format="PNG")
        assert source.read(0.6) is None
        hidden.rename(tmp_path / "a.png")
        assert name_of(source) == "a.png"
        unknown.rename(tmp_path / "b.png")
        assert name_of(source) == "b.png"
        assert source.read(0.5) is None


def test_pictures_come_in_the_order_in_which_they_were_written(tmp_path: Path) -> None:
    with open_source(f"watch:{tmp_path}") as source:
        for age_s, name in ((30, "z.png"), (20, "m.png"), (10, "a.png")):
            path = save(tmp_path / name, 1)
            os.utime(path, (time.time() - age_s,) * 2)
        assert [name_of(source) for _ in range(3)] == ["z.png", "m.png", "a.png"]


def test_subfolders_count_and_results_do_not(tmp_path: Path) -> None:
    with open_source(f"watch:{tmp_path}", exclude=[tmp_path / "results"]) as source:
        save(tmp_path / "results" / "x.png", 1)
        save(tmp_path / "shift2" / "y.png", 1)
        assert name_of(source) == "shift2/y.png"
        assert source.read(0.5) is None


def test_a_folder_that_goes_and_comes_back_is_watched_on(tmp_path: Path) -> None:
    """As a share does whose server restarts."""
    folder = tmp_path / "share"
    save(folder / "old.png", 1)
    with open_source(f"watch:{folder}#all") as source:
        assert name_of(source) == "old.png"
        folder.rename(tmp_path / "away")
        assert source.read(0.3) is None
        (tmp_path / "away").rename(folder)
        save(folder / "new.png", 2)
        seen = {name_of(source)}
        while name := name_of(source, timeout_s=0.8):
            seen.add(name)
        assert "new.png" in seen


def test_an_end_is_looked_for_where_the_format_has_one(tmp_path: Path) -> None:
    for name, ends in (("a.png", True), ("a.jpg", True), ("a.bmp", True)):
        path = save(tmp_path / name, 1)
        assert ends_like_a_picture(path) is ends
        path.write_bytes(path.read_bytes()[:-100])
        assert ends_like_a_picture(path) is name.endswith(".bmp")
    (tmp_path / "empty.png").touch()
    assert not ends_like_a_picture(tmp_path / "empty.png")


@pytest.mark.parametrize(
    ("place", "error", "message"),
    [
        ("watch:/nowhere/at/all", ArtefactNotFoundError, "no folder"),
        ("watch:", InputError, "names no folder"),
        ("watch:/tmp#some", InputError, "names no folder"),
    ],
)
def test_what_cannot_be_watched_is_refused(
    place: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        open_source(place)
