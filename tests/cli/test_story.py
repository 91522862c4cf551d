"""The three-command story on drawn pictures, with the packaged backbone and real processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from res2clip.drawing import DatasetPlan, Product, write_mvtec
from res2clip_runtime import Bundle, Recipe

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("story")
    plan = DatasetPlan(train=5, good=3, defect=1, size_px=256)
    write_mvtec(place, Product("flange"), plan)
    return place


def call(place: Path, program: str, *arguments: str, code: int = 0) -> str:
    """Run a command as a shell would, with a data directory of its own; return its stdout."""
    module = {"res2clip": "res2clip.cli", "res2clip-run": "res2clip_runtime.cli"}[program]
    done = subprocess.run(
        [sys.executable, "-c", f"from {module} import main; main()", *arguments],
        capture_output=True,
        text=True,
        cwd=place,
        env={**os.environ, "XDG_DATA_HOME": str(place / "data")},
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout if code == 0 else done.stderr


@pytest.fixture(scope="module")
def taught(place: Path) -> Path:
    pictures = [f"flange/train/good/00{i}.png" for i in range(4)]
    out = call(place, "res2clip", "teach", "--product", "flange", *pictures)
    assert "flange.recipe.safetensors" in out
    return place / "flange.recipe.safetensors"


@pytest.fixture(scope="module")
def installed(place: Path) -> Bundle:
    described = json.loads(call(place, "res2clip", "export", "--json"))
    assert Path(described["path"]).is_relative_to(place / "data")
    assert described["manifest"]["parity"]["max_abs"] <= 1e-4
    return Bundle.load(described["path"])


def test_teach_export_run_gives_verdicts_and_pictures(place, taught, installed) -> None:
    out = call(
        place, "res2clip-run", "--source", "flange/test", "--recipe", str(taught), "--out", "r"
    )
    assert "p99" in out or "p50" in out
    lines = [json.loads(line) for line in (place / "r" / "results.jsonl").read_text().splitlines()]
    pictures = list((place / "flange" / "test").rglob("*.png"))
    assert len(lines) == len(pictures)
    assert {line["decision"] for line in lines} <= {"OK", "NG"}
    assert all(np.isfinite(line["score"]) for line in lines)
    rejected = [line for line in lines if line["decision"] == "NG"]
    assert all(line["score"] > line["threshold"] for line in rejected)
    assert len(list((place / "r" / "pictures").rglob("*.*"))) == len(rejected)


def test_the_score_is_pytorchs(place, taught, installed) -> None:
    import res2clip

    picture = place / "flange" / "test" / "good" / "000.png"
    out = call(place, "res2clip-run", "--source", str(picture), "--recipe", str(taught), "--json")
    verdict = json.loads(out.splitlines()[0])
    model = res2clip.Res2CLIP(res2clip.load_backbone("mini"))
    assert verdict["score"] == pytest.approx(
        model.inspect(picture, Recipe.load(taught)).score, abs=1e-4
    )


def test_a_good_part_can_be_added_and_removed_on_the_edge_box(place, taught, installed) -> None:
    extra = "flange/train/good/004.png"
    before = Recipe.load(taught)
    call(place, "res2clip-run", "teach", "--add", taught.name, extra, "--out", "more.safetensors")
    more = Recipe.load(place / "more.safetensors")
    assert len(more.references) == len(before.references) + 1
    call(place, "res2clip", "teach", "--add", "more.safetensors", "--remove", "004.png")
    fewer = Recipe.load(place / "more.safetensors")
    assert [r.sha256 for r in fewer.references] == [r.sha256 for r in before.references]
    assert np.allclose(fewer.bank, before.bank, atol=1e-3)
    assert fewer.thresholds.keys() == before.thresholds.keys()


def test_the_same_picture_twice_is_refused_in_one_line(place, taught) -> None:
    twice = "flange/train/good/000.png"
    err = call(place, "res2clip", "teach", "--add", taught.name, twice, code=1)
    assert err.strip().startswith("error: 000.png is the same picture as 000.png")
    assert len(err.strip().splitlines()) == 1


def test_a_recipe_of_another_encoder_is_refused_in_one_line(place, taught, installed) -> None:
    call(
        place, "res2clip", "teach", "--product", "other", "--image-size", "96",
        "flange/train/good", "--out", "other.safetensors",
    )  # fmt: skip
    err = call(
        place, "res2clip-run", "--source", "flange/test", "--recipe", "other.safetensors", code=1
    )
    assert "no installed bundle has encoder" in err
    directory = str(installed.directory)
    err = call(
        place, "res2clip-run", "--source", "flange/test", "--recipe", "other.safetensors",
        "--bundle", directory, code=1,
    )  # fmt: skip
    assert "belongs to encoder" in err


def test_recipe_show_prints_it_for_people_and_machines(place, taught) -> None:
    described = json.loads(call(place, "res2clip", "recipe", "show", str(taught), "--json"))
    assert described["product"] == "flange"
    assert len(described["references"]) == 4
    text = call(place, "res2clip", "recipe", "show", str(taught))
    assert "uncalibrated" in text
    for reference in described["references"]:
        assert reference["sha256"][:8] in text


def test_help_teaches_every_command(place) -> None:
    overview = call(place, "res2clip", "--help")
    for command in ("teach", "export", "score", "recipe", "demo", "draw", "doctor"):
        assert command in overview
        assert "--help" in call(place, "res2clip", command, "--help")


def test_doctor_finds_a_usable_engine(place) -> None:
    checks = json.loads(call(place, "res2clip", "doctor", "--json"))
    by_name = {check["name"]: check for check in checks}
    assert by_name["torch"]["status"] == "ok"
    engine = by_name["  CPU"]
    assert engine["status"] == "ok"
    assert "ran a graph" in engine["detail"]
