from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest
from drawn_parts import draw_part
from PIL import Image

from res2clip_runtime.errors import InputError, OutputError
from res2clip_runtime.inspection import error_verdict
from res2clip_runtime.sinks import SinkWorker
from res2clip_runtime.sinks.kept_pictures import KeptPictures, PicturesConfig
from res2clip_runtime.verdict import Verdict

PART = draw_part(9, scratched=True)


def at(verdict: Verdict, moment: str, frame_id: str = "part") -> Verdict:
    return dataclasses.replace(verdict, decided_at=f"{moment}+00:00", frame_id=frame_id)


def kept(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def everywhere(folder: Path, **settings: float) -> KeptPictures:
    given = {"max_disk_share": 1.0, "min_free_share": 0.0, **settings}
    return KeptPictures(PicturesConfig(folder=folder, **given))


def test_names_tell_time_decision_and_frame(tmp_path: Path, ng: Verdict) -> None:
    sink = everywhere(tmp_path)
    sink.write(at(ng, "2026-11-25T10:15:32.123", "a/b.png"), PART)
    sink.write(dataclasses.replace(at(ng, "2026-11-25T10:15:32.124", "7"), camera="top"), PART)
    sink.write(at(error_verdict("垫" * 300, "washer", "dark"), "2026-11-26T00:00:00.000"), None)
    names = kept(tmp_path)
    assert names[0] == "2026-11-25/101532.123-NG-a_b.png.jpg"
    assert names[1] == "2026-11-25/101532.124-NG-top-7.jpg"
    assert names[2].startswith("2026-11-26/000000.000-ERROR-part")
    for name in names:
        with Image.open(tmp_path / name) as picture:
            picture.load()


def test_a_very_long_frame_name_still_makes_a_file(tmp_path: Path, ng: Verdict) -> None:
    everywhere(tmp_path).write(at(ng, "2026-11-25T10:15:32.123", "垫" * 300), PART)
    assert len(kept(tmp_path)) == 1


def test_every_not_ok_and_the_stated_share_of_ok_is_kept(
    tmp_path: Path, ok: Verdict, ng: Verdict
) -> None:
    sink = everywhere(tmp_path, ok_share=0.25)
    assert [sink.wants(ok) for _ in range(8)] == [False, False, False, True] * 2
    assert sink.wants(ng)
    assert sink.wants(error_verdict("x", "washer", ""))
    assert not sink.wants(error_verdict("x", "", "no product is chosen"))
    assert not any(everywhere(tmp_path).wants(ok) for _ in range(1000))
    assert all(everywhere(tmp_path, ok_share=1).wants(ok) for _ in range(50))


def test_behind_its_worker_only_wanted_pictures_are_written(
    tmp_path: Path, ok: Verdict, ng: Verdict
) -> None:
    sink = everywhere(tmp_path)
    with SinkWorker(sink, name="pictures", wants=sink.wants) as worker:
        for verdict in (ok, ng, ok):
            worker.offer(verdict, PART)
    assert ["-NG-" in name for name in kept(tmp_path)] == [True]


def test_days_that_are_over_go_with_everything_of_ours_and_nothing_else(
    tmp_path: Path, ng: Verdict
) -> None:
    sink = everywhere(tmp_path, keep_days=2)
    for day in range(10, 16):
        sink.write(at(ng, f"2026-11-{day}T10:00:00.000"), PART)
        if day == 11:
            (tmp_path / "2026-11-11" / "notes.txt").write_text("mine")
            looks_like_ours = tmp_path / "2026-11-11" / "100000.000-NG-mine.jpg"
            Image.fromarray(PART).save(looks_like_ours)
    assert [name for name in kept(tmp_path) if "part" in name] == [
        f"2026-11-{day}/100000.000-NG-part.jpg" for day in (13, 14, 15)
    ]
    assert looks_like_ours.is_file()
    assert (tmp_path / "2026-11-11" / "notes.txt").read_text() == "mine"
    assert not (tmp_path / "2026-11-10").exists()


def test_the_share_of_the_disk_is_held_by_deleting_the_oldest(
    small_disk: Path, ng: Verdict
) -> None:
    folder = small_disk / "pictures"
    sink = everywhere(folder, max_disk_share=0.5, keep_days=0)
    for number in range(60):
        sink.write(at(ng, f"2026-11-{1 + number // 4:02}T10:00:{number:02}.000"), PART)
        assert sum(path.stat().st_size for path in folder.rglob("*.jpg")) <= 0.5 * 256 * 1024
    names = kept(folder)
    assert names[-1].startswith("2026-11-15/100059")
    numbers = [int(name[15:17]) for name in names]
    assert numbers == list(range(60 - len(numbers), 60))


def test_room_for_others_is_kept_free_even_after_a_restart(small_disk: Path, ng: Verdict) -> None:
    folder, ballast = small_disk / "pictures", small_disk / "ballast"
    for number in range(4):
        everywhere(folder).write(at(ng, f"2026-11-0{number + 1}T10:00:00.000"), PART)
    one = (folder / kept(folder)[0]).stat().st_size
    ballast.write_bytes(bytes(shutil.disk_usage(small_disk).free - one // 2))
    everywhere(folder, min_free_share=0.1).write(at(ng, "2026-11-09T10:00:00.000"), PART)
    assert shutil.disk_usage(small_disk).free >= 0.1 * 256 * 1024
    names = kept(folder)
    assert names[-1] == "2026-11-09/100000.000-NG-part.jpg"
    assert 1 < len(names) < 5
    ballast_bytes = ballast.stat().st_size
    with pytest.raises(OutputError, match=r"min_free_share 0\.9, and there is no older picture"):
        everywhere(folder, min_free_share=0.9).write(at(ng, "2026-11-10T10:00:00.000"), PART)
    assert ballast.stat().st_size == ballast_bytes


def test_what_a_killed_run_left_half_written_is_removed_at_the_start(
    tmp_path: Path, ng: Verdict
) -> None:
    everywhere(tmp_path).write(at(ng, "2026-11-25T10:15:32.123"), PART)
    day = tmp_path / "2026-11-25"
    (day / ".101533.000-NG-part.jpg.ab12cd_9").write_bytes(b"\xff\xd8half")
    (day / ".hidden").write_text("mine")
    everywhere(tmp_path)
    assert kept(tmp_path) == ["2026-11-25/.hidden", "2026-11-25/101532.123-NG-part.jpg"]


def test_a_link_to_a_picture_elsewhere_is_never_followed(tmp_path: Path, ng: Verdict) -> None:
    elsewhere, folder = tmp_path / "elsewhere", tmp_path / "shelf"
    everywhere(elsewhere).write(at(ng, "2026-11-25T10:15:32.123"), PART)
    (folder / "2026-01-01").mkdir(parents=True)
    link = folder / "2026-01-01" / "101532.123-NG-part.jpg"
    link.symlink_to(elsewhere / "2026-11-25" / "101532.123-NG-part.jpg")
    everywhere(folder, keep_days=1).write(at(ng, "2026-11-25T10:15:32.123"), PART)
    assert link.is_symlink()
    assert len(kept(elsewhere)) == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [("ok_share", 1.5), ("keep_days", -1), ("max_disk_share", 0), ("min_free_share", 1)],
)
def test_a_setting_that_makes_no_sense_is_named(field: str, value: float) -> None:
    with pytest.raises(InputError, match=rf"pictures\.{field} is "):
        PicturesConfig(folder=Path("x"), **{field: value})
