"""``res2clip-run`` in this process, on the checked-in bundle."""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from drawn_parts import save_parts
from drawn_video import write_video
from PIL import Image
from typer.testing import CliRunner

from res2clip_runtime.bundle import bundles_directory
from res2clip_runtime.cli.app import app
from res2clip_runtime.recipe import Recipe


class Done:
    """What a command did."""

    def __init__(self, *arguments: object) -> None:
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        self.code, self.out, self.err = result.exit_code, result.stdout, result.stderr


@pytest.fixture
def installed(bundle_path: Path) -> Path:
    return shutil.copytree(bundle_path, bundles_directory() / "tiny")


@pytest.fixture
def taught(installed: Path, good: Path, tmp_path: Path) -> Path:
    path = tmp_path / "washer.recipe.safetensors"
    assert Done("teach", "--product", "washer", good, "--out", path).code == 0
    return path


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    """Three good parts, two scratched ones."""
    save_parts(tmp_path / "parts" / "good", 3, first_seed=10)
    save_parts(tmp_path / "parts" / "scratched", 2, first_seed=20, scratched=True)
    return tmp_path / "parts"


def test_folder_is_inspected_with_a_line_a_picture_and_a_summary(taught: Path, parts: Path) -> None:
    done = Done("--source", parts, "--recipe", taught)
    assert done.code == 0
    lines = done.out.splitlines()
    assert [line.split()[0] for line in lines[:5]] == ["OK", "OK", "OK", "NG", "NG"]
    assert lines[5] == "5 pictures of 'washer': 3 OK, 2 NG, 0 ERROR"
    stages = ["read", "preprocess", "encoder", "match", "heads", "score", "total"]
    assert [line.split()[0] for line in lines[6:]] == ["ms", *stages]


def test_uncalibrated_threshold_is_said_once(taught: Path, parts: Path) -> None:
    done = Done("--source", parts, "--recipe", taught)
    assert done.err.count("uncalibrated") == 1
    assert done.err.startswith("warning: ")


def test_results_and_pictures_are_written(taught: Path, parts: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = Done("--source", parts, "--recipe", taught, "--out", out)
    assert done.code == 0
    lines = [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]
    assert [line["decision"] for line in lines] == ["OK"] * 3 + ["NG"] * 2
    names = sorted(path.name for path in (out / "pictures").rglob("*.jpg"))
    assert names == ["020.png.jpg", "021.png.jpg"]
    assert f"results: {out / 'results.jsonl'}" in done.out


@pytest.mark.parametrize(("wanted", "count"), [("all", 5), ("ng", 2), ("none", 0)])
def test_pictures_option_chooses(
    taught: Path, parts: Path, tmp_path: Path, wanted: str, count: int
) -> None:
    out = tmp_path / "out"
    Done("--source", parts, "--recipe", taught, "--out", out, "--pictures", wanted)
    assert len(list(out.rglob("*.jpg"))) == count


def test_results_inside_the_source_are_not_inspected_again(taught: Path, parts: Path) -> None:
    arguments = ("--source", parts, "--recipe", taught, "--out", parts / "out")
    Done(*arguments, "--pictures", "all")
    Done(*arguments, "--pictures", "all")
    assert len((parts / "out" / "results.jsonl").read_text().splitlines()) == 10


def test_json_is_a_line_a_verdict_and_one_for_the_summary(taught: Path, parts: Path) -> None:
    done = Done("--source", parts, "--recipe", taught, "--json")
    *verdicts, summary = [json.loads(line) for line in done.out.splitlines()]
    assert [verdict["decision"] for verdict in verdicts] == ["OK"] * 3 + ["NG"] * 2
    found = summary["summary"]
    assert (found["frames"], found["ok"], found["ng"], found["error"]) == (5, 3, 2, 0)
    assert (found["product"], found["stopped"]) == ("washer", False)
    assert set(found["latency_ms"]["total"]) == {"p50", "p90", "p99"}


def test_single_picture_glob_and_limit(taught: Path, parts: Path) -> None:
    assert "1 picture of" in Done("--source", parts / "good/010.png", "--recipe", taught).out
    assert "5 pictures" in Done("--source", parts / "*" / "*.png", "--recipe", taught).out
    assert "2 pictures" in Done("--source", parts, "--recipe", taught, "--limit", 2).out


def test_video_is_inspected(taught: Path, tmp_path: Path) -> None:
    pytest.importorskip("av", reason="the extra 'video' is not installed")
    done = Done("--source", write_video(tmp_path / "part.mp4"), "--recipe", taught)
    assert done.code == 0
    assert "part.mp4#000004" in done.out
    assert "5 pictures of 'washer': 0 OK, 5 NG" in done.out


def test_undecodable_picture_is_an_error_and_the_exit_code_tells(taught: Path, parts: Path) -> None:
    (parts / "good" / "x.png").write_bytes(b"junk")
    done = Done("--source", parts, "--recipe", taught)
    assert done.code == 1
    assert "6 pictures of 'washer': 3 OK, 2 NG, 1 ERROR" in done.out
    assert "x.png is not a picture" in done.out


def test_given_threshold_decides(taught: Path, parts: Path) -> None:
    assert "5 OK, 0 NG" in Done("--source", parts, "--recipe", taught, "--threshold", 99).out
    done = Done("--source", parts, "--recipe", taught, "--threshold", -99)
    assert "0 OK, 5 NG" in done.out
    assert "(given)" in done.err


def test_recipe_without_threshold_says_so_and_decides_nothing(
    installed: Path, good: Path, parts: Path, tmp_path: Path
) -> None:
    path = tmp_path / "one.recipe.safetensors"
    taught = Done("teach", "--product", "one", good / "000.png", "--out", path)
    assert "--threshold SCORE" in taught.out
    done = Done("--source", parts, "--recipe", path)
    assert done.code == 1
    assert "0 OK, 0 NG, 5 ERROR" in done.out
    assert done.err.count("every verdict will be ERROR") == 1
    assert Done("--source", parts, "--recipe", path, "--threshold", "0.4").code == 0


def test_bundle_can_be_given(taught: Path, parts: Path, bundle_path: Path) -> None:
    shutil.rmtree(bundles_directory())
    refused = Done("--source", parts, "--recipe", taught)
    assert refused.code == 1
    assert "no installed bundle has encoder" in refused.err
    assert Done("--source", parts, "--recipe", taught, "--bundle", bundle_path).code == 0


def test_teach_names_pictures_scores_threshold_and_what_to_do_next(
    installed: Path, good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = Done("teach", "--product", "M8 / washer", "good/*.png")
    assert done.code == 0
    assert [line.split()[0] for line in done.out.splitlines()[1:5]] == [
        "000.png",
        "001.png",
        "002.png",
        "003.png",
    ]
    assert "uncalibrated" in done.out
    assert "res2clip-run --source DIR --recipe M8_washer.recipe.safetensors" in done.out
    assert Recipe.load("M8_washer.recipe.safetensors").product == "M8 / washer"


def test_bundle_that_teaches_is_named_in_what_to_do_next(
    good: Path, bundle_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it is not installed, the command would not find it."""
    monkeypatch.chdir(tmp_path)
    done = Done("teach", "--product", "washer", good, "--bundle", bundle_path)
    (command,) = (line for line in done.out.splitlines() if line.startswith("next:"))
    arguments = shlex.split(command.replace("DIR", str(good)))[2:]
    assert Done(*arguments).code == 0


def test_teach_as_json(installed: Path, good: Path, tmp_path: Path) -> None:
    out = tmp_path / "a"
    described = json.loads(Done("teach", "--product", "w", good, "--out", out, "--json").out)
    assert described["path"] == str(out)
    assert len(described["references"]) == 4
    assert described["doubts"] == []


def test_doubtful_picture_is_a_warning(installed: Path, good: Path, tmp_path: Path) -> None:
    save_parts(good, 1, first_seed=9, scratched=True)
    done = Done("teach", "--product", "w", good, "--out", tmp_path / "a")
    assert done.code == 0
    assert "warning: 009.png: unlike the other good parts" in done.err


def test_pictures_are_added_and_removed(taught: Path, tmp_path: Path) -> None:
    more = save_parts(tmp_path / "more", 1, first_seed=7)
    assert Done("teach", "--add", taught, more).code == 0
    assert [r.name for r in Recipe.load(taught).references][-1] == "007.png"
    assert Done("teach", "--add", taught, "--remove", "000.png", "--remove", "001.png").code == 0
    assert [r.name for r in Recipe.load(taught).references] == ["002.png", "003.png", "007.png"]
    done = Done("teach", "--add", taught, "--remove", "nobody.png")
    assert done.code == 1
    assert "the recipe holds" in done.err
    assert len(Recipe.load(taught).references) == 3


def test_changed_recipe_can_go_elsewhere(taught: Path, tmp_path: Path) -> None:
    before = taught.read_bytes()
    other = tmp_path / "other.recipe.safetensors"
    assert Done("teach", "--add", taught, "--remove", "000.png", "--out", other).code == 0
    assert taught.read_bytes() == before
    assert len(Recipe.load(other).references) == 3


def test_recipe_is_shown(taught: Path, tmp_path: Path) -> None:
    recipe = Recipe.load(taught)
    done = Done("recipe", "show", taught, "--contact-sheet", tmp_path / "sheet.png")
    assert done.code == 0
    for text in ("washer", recipe.encoder_id, recipe.references[3].sha256, "uncalibrated"):
        assert text in done.out
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size == (504, 560)


def test_recipe_is_shown_as_json(taught: Path) -> None:
    described = json.loads(Done("recipe", "show", taught, "--json").out)
    assert described == json.loads(json.dumps(Recipe.load(taught).describe()))


def test_several_bundles_are_listed_and_one_must_be_chosen(
    installed: Path, good: Path, tmp_path: Path
) -> None:
    shutil.copytree(installed, bundles_directory() / "second")
    done = Done("teach", "--product", "w", good, "--out", tmp_path / "a")
    assert done.code == 1
    assert "choose one with --bundle" in done.err
    assert str(installed) in done.err


def wrong(name: str) -> Callable[[Path, Path], list[object]]:
    """Return the arguments of a command that is used wrongly."""
    return {
        "no recipe": lambda r, p: ["--source", p],
        "no source": lambda r, p: ["--recipe", r],
        "both sources": lambda r, p: ["--recipe", r, "--source", p, "--camera", "0"],
        "unknown option": lambda r, p: ["--recipe", r, "--source", p, "--magic"],
        "no number": lambda r, p: ["--recipe", r, "--source", p, "--threshold", "high"],
        "negative camera": lambda r, p: ["--recipe", r, "--camera", "-1"],
        "zero limit": lambda r, p: ["--recipe", r, "--source", p, "--limit", "0"],
        "unknown pictures": lambda r, p: ["--recipe", r, "--source", p, "--pictures", "some"],
        "shell expanded": lambda r, p: ["--recipe", r, "--source", *sorted(p.rglob("*.png"))],
        "unknown command": lambda r, p: ["frobnicate"],
        "nothing": lambda r, p: [],
        "teach nothing": lambda r, p: ["teach", "--product", "w"],
        "teach nameless": lambda r, p: ["teach", p],
        "teach and rename": lambda r, p: ["teach", "--product", "w", "--add", r, p],
        "remove from nothing": lambda r, p: ["teach", "--product", "w", "--remove", "a", p],
        "show nothing": lambda r, p: ["recipe", "show"],
    }[name]


@pytest.mark.parametrize(
    "name",
    [
        "no recipe", "no source", "both sources", "unknown option", "no number",
        "negative camera", "zero limit", "unknown pictures", "shell expanded", "unknown command",
        "nothing", "teach nothing", "teach nameless", "teach and rename", "remove from nothing",
        "show nothing",
    ],
)  # fmt: skip
def test_wrong_usage_ends_with_2(name: str, tmp_path: Path, good: Path) -> None:
    recipe = tmp_path / "washer.recipe.safetensors"
    done = Done(*wrong(name)(recipe, good))
    assert done.code == 2
    assert "Traceback" not in done.err


def test_pattern_that_the_shell_expanded_is_explained(tmp_path: Path, good: Path) -> None:
    done = Done("--recipe", "r", "--source", *sorted(good.glob("*.png")))
    assert "Put a pattern in quotes" in " ".join(done.err.split())
    assert "in quotes" in " ".join(done.err.replace("│", " ").split())


@pytest.mark.parametrize("command", [[], ["teach"], ["recipe"], ["recipe", "show"], ["doctor"]])
def test_help_is_there_for_every_command(command: list[str]) -> None:
    done = Done(*command, "--help")
    assert done.code == 0
    assert "Usage:" in done.out


def test_help_of_the_run_teaches_with_examples_and_exit_codes() -> None:
    out = Done("--help").out
    for text in ("--source 'parts/*.png'", "--camera 0", "teach --product washer", "Exit code"):
        assert text in out
