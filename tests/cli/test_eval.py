"""`res2clip eval` from end to end, on a random tiny checkpoint."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import pytest
from drawn_category import save_category
from golden import checkpoint
from make_tiny_bundle import TARGET, tiny_clip
from report_page import ReportPage
from safetensors.torch import save_file
from typer.testing import CliRunner

from res2clip.datasets import find_categories
from res2clip.evaluation import choose_references, evaluate
from res2clip_runtime.teaching import teach

NAMES = ("i_auroc", "i_ap", "i_f1", "p_auroc", "p_ap", "p_f1", "pro")


def run_eval(*options: object):
    from res2clip.cli.app import app

    return CliRunner().invoke(app, ["eval", *map(str, options)])


def said(*options: object) -> dict:
    done = run_eval(*options, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("data")
    save_category(root / "nut", train=4, good=3, scratched=3)
    save_category(root / "bolt", train=4, good=2, scratched=2, masks=False)
    return root


@pytest.fixture(scope="module")
def heads(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("heads") / "heads.pth"
    return checkpoint.save_heads(path, 2, taps=(1, 2, 3), dim=48)


@pytest.fixture(scope="module")
def tiny(tiny_checkpoint):
    return ("--backbone", tiny_checkpoint, "--image-size", 40)


def test_each_k_gets_a_block_with_the_seven_figures_of_each_category(data, tiny, tiny_model):
    result = said("--data", data, *tiny, "--shots", "1,3", "--draws", 2)
    assert [(b["detector"], b["shots"]) for b in result["blocks"]] == [
        ("training-free", 1),
        ("training-free", 3),
    ]
    for block in result["blocks"]:
        assert [row["category"] for row in block["categories"]] == ["bolt", "nut"]
        assert block["categories"][0]["figures"]["pro"] is None  # bolt has no masks
        assert block["mean"]["figures"]["pro"] == block["categories"][1]["figures"]["pro"]
    _, nut = find_categories(data)
    recipe = teach(tiny_model, choose_references(nut, 3, 1), product="nut").recipe
    expected = evaluate(tiny_model, recipe, nut).metrics
    (found,) = [
        draw
        for draw in result["draws"]
        if (draw["category"], draw["shots"], draw["seed"]) == ("nut", 3, 1)
    ]
    for name in NAMES:
        assert found[name] == pytest.approx(getattr(expected, name), abs=1e-6)


def test_heads_are_compared_with_the_training_free_mode(data, tiny, heads):
    options = ("--data", data, *tiny, "-k", 2, "--draws", 1, "--category", "nut")
    both = said(*options, "--heads", heads)
    assert [block["detector"] for block in both["blocks"]] == ["training-free", "trained"]
    free, trained = (block["mean"]["figures"] for block in both["blocks"])
    assert free != trained
    assert said(*options)["blocks"][0]["mean"]["figures"] == free
    only = said(*options, "--heads", heads, "--mode", "trained")
    assert [block["detector"] for block in only["blocks"]] == ["trained"]
    assert only["blocks"][0]["mean"]["figures"] == trained


def test_a_bundle_is_judged_by_the_task_like_its_model(data, tmp_path):
    weights = tmp_path / "tiny.safetensors"
    save_file(tiny_clip(), weights)
    options = ("--data", data, "-k", 2, "--draws", 1)
    model, bundle = said(*options, "--backbone", weights), said(*options, "--bundle", TARGET)
    for mine, theirs in zip(model["draws"], bundle["draws"], strict=True):
        for name in NAMES:
            if mine[name] is None:
                assert theirs[name] is None
            else:
                assert theirs[name] == pytest.approx(mine[name], abs=1e-3)


def test_out_holds_tables_and_report_and_the_report_shows_every_part(data, tiny, tmp_path):
    out = tmp_path / "out"
    done = run_eval("--data", data, *tiny, "-k", "1,3", "--draws", 2, "--out", out, "--markdown")
    assert done.exit_code == 0, done.output
    assert done.stdout == (out / "figures.md").read_text(encoding="utf-8")
    assert done.stdout.count("| **mean** |") == 2
    lines = list(csv.DictReader((out / "figures.csv").read_text(encoding="utf-8").splitlines()))
    assert len(lines) == 2 * 2 * 2
    assert {line["seed"] for line in lines} == {"0", "1"}
    assert {line["p_ap"] for line in lines if line["category"] == "bolt"} == {""}
    assert json.loads((out / "figures.json").read_text(encoding="utf-8"))["blocks"]
    page = ReportPage((out / "report.html").read_text(encoding="utf-8"))
    assert "training-free, 3 shots, mean ± spread of 2 draws" in page.text
    assert len(page.of_class("histogram")) == 2
    assert len(page.of_class("threshold")) == 2
    assert len(page.of_class("pictures-line")) == 4  # ROC and PR of each category
    assert len(page.of_class("pixels-line")) == 2  # bolt has no masks
    assert "Decisions" in page.text
    pictures = page.pictures()
    for defect, number in (("scratch", 200), ("good", 100)):
        assert f"{defect}/{number}.png, inspected" in pictures
    assert (out / "report-pictures" / "nut" / "scratch" / "200.png.jpg").is_file()
    assert "ms" not in page.text.split()  # features were stored: no time is claimed


def test_a_category_without_defects_has_dashes_and_not_one_half(tmp_path, tiny):
    save_category(tmp_path / "nut", scratched=0)
    done = run_eval("--data", tmp_path, *tiny, "-k", 1, "--draws", 1, "--markdown")
    assert done.exit_code == 0, done.output
    assert "| nut | - | - | - | - | - | - | - |" in done.stdout


def test_records_name_the_exact_references(data, tiny, tmp_path, tiny_model):
    _, nut = find_categories(data)
    chosen = [nut.train_good[2], nut.train_good[0]]
    listed = {"nut": [str(Path("/theirs") / path.relative_to(data)) for path in chosen]}
    records = tmp_path / "records.json"
    records.write_text(json.dumps(listed))
    options = ("--data", data, *tiny, "--records", records, "--records-prefix", "/theirs=")
    (draw,) = said(*options, "--category", "nut")["draws"]
    recipe = teach(tiny_model, chosen, product="nut").recipe
    assert draw["shots"] == 2
    assert draw["i_auroc"] == pytest.approx(evaluate(tiny_model, recipe, nut).metrics.i_auroc)
    refused = run_eval(*options)
    assert refused.exit_code == 1
    assert "names no references of bolt" in refused.stderr
    refused = run_eval(*options, "--category", "nut", "-k", 3)
    assert "give --shots 2 or less" in refused.stderr


def test_a_cache_gives_the_same_figures_within_half_precision_and_is_used_again(
    data, tiny, tmp_path
):
    options = ("--data", data, *tiny, "-k", 2, "--draws", 1, "--category", "nut")
    (plain,) = said(*options)["draws"]
    (first,) = said(*options, "--cache", tmp_path / "cache")["draws"]
    shards = sorted((tmp_path / "cache").rglob("*.safetensors"))
    (second,) = said(*options, "--cache", tmp_path / "cache")["draws"]
    assert shards
    assert sorted((tmp_path / "cache").rglob("*.safetensors")) == shards
    assert first == second
    for name in NAMES:
        assert first[name] == pytest.approx(plain[name], abs=0.02)
    refused = run_eval("--data", data, "-k", 1, "--bundle", TARGET, "--cache", tmp_path)
    assert refused.exit_code == 1
    assert "leave --cache out" in refused.stderr


def test_the_table_is_printed_where_nothing_else_is_asked_for(data, tiny):
    done = run_eval("--data", data, *tiny, "-k", 1, "--draws", 1, "--limit", 1)
    assert done.exit_code == 0, done.output
    assert "training-free, 1 shot, 1 draw" in done.stdout
    for name in ("category", "I-AUROC", "PRO", "bolt", "nut", "mean"):
        assert name in done.stdout
    assert "encoding nut" in done.stderr


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("-k", "1,x"), "--shots is '1,x'"),
        (("-k", "0"), "different numbers above 0"),
        (("-k", "2,2"), "different numbers above 0"),
        (("-k", "9"), "--shots between 1 and 4"),
        (("--mode", "trained"), "give --heads FILE"),
        (("--mode", "best"), "unknown mode 'best'"),
        (("--category", "screw"), "there are: bolt, nut"),
        (("--bundle", "x", "--heads", "y"), "a bundle holds its heads"),
        (("--bundle", "nowhere"), "nowhere"),
    ],
)
def test_a_wrong_option_is_one_line_that_names_the_remedy(data, tiny_checkpoint, options, reason):
    done = run_eval("--data", data, "--backbone", tiny_checkpoint, *options)
    assert done.exit_code == 1
    assert reason in done.stderr
    assert "Traceback" not in done.output


def test_undefined_figures_are_null_for_programs(data, tiny):
    text = run_eval("--data", data, *tiny, "-k", 1, "--draws", 1, "--json").stdout
    values = json.loads(text, parse_constant=lambda name: pytest.fail(name))
    assert all(
        value is None or math.isfinite(value)
        for draw in values["draws"]
        for value in (draw[name] for name in NAMES)
    )
