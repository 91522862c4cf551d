"""`res2clip demo` from end to end, on a random tiny checkpoint."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from drawn_category import save_category
from report_page import ReportPage
from sklearn.metrics import roc_auc_score
from typer.testing import CliRunner

from res2clip.drawing import DatasetPlan
from res2clip_runtime.recipe import Recipe

pytestmark = pytest.mark.slow

HOSTILE = "<script>alert(1)</script> [red]&\"'"


def run_demo(*options: object):
    from res2clip.cli.app import app

    return CliRunner().invoke(app, ["demo", *map(str, options)])


def lines_of(out: Path) -> list[dict]:
    text = (out / "results.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture(scope="module")
def finished(tiny_checkpoint, tmp_path_factory):
    """A demo on two categories of the user's, one of them with a name that means harm."""
    root = tmp_path_factory.mktemp("demo")
    save_category(root / "data" / "nut", good=3, scratched=4)
    save_category(root / "data" / HOSTILE.replace("/", "|"), good=2, scratched=2, stem="<b>")
    out = root / "out"
    result = run_demo(
        "--out", out, "--data", root / "data", "--backbone", tiny_checkpoint, "--json"
    )
    assert result.exit_code == 0, result.output
    return out, json.loads(result.stdout.splitlines()[-1])


def test_every_test_picture_has_one_verdict(finished):
    out, said = finished
    frames = Counter((line["product"], line["frame_id"]) for line in lines_of(out))
    assert len(frames) == sum(frames.values()) == 11
    assert said["summary"]["frames"] == 11
    assert ("nut", "scratch/203.png") in frames


def test_the_metrics_follow_from_the_results_file(finished):
    out, said = finished
    for category in said["categories"]:
        lines = [line for line in lines_of(out) if line["product"] == category["name"]]
        labels = [not line["frame_id"].startswith("good/") for line in lines]
        auroc = roc_auc_score(labels, [line["score"] for line in lines])
        assert category["metrics"]["i_auroc"] == pytest.approx(auroc, abs=1e-9)
        decided = Counter(
            (label, line["decision"]) for label, line in zip(labels, lines, strict=True)
        )
        assert category["confusion"]["good_ng"] == decided[False, "NG"]
        assert category["confusion"]["defective_ok"] == decided[True, "OK"]
        assert 0 <= category["metrics"]["p_auroc"] <= 1


def test_the_report_holds_each_overlay_and_obeys_no_name(finished):
    out, _ = finished
    page = ReportPage((out / "report.html").read_text(encoding="utf-8"))
    pictures = page.pictures()
    for line in lines_of(out):
        assert f"{line['frame_id']}, inspected" in pictures
    assert len(page.of_class("card")) == 11
    assert "script" not in {tag for tag, _ in page.tags}
    assert HOSTILE.replace("/", "|") in page.text


def test_recipes_and_overlay_pictures_are_on_the_disk(finished):
    out, said = finished
    assert len(list((out / "pictures").rglob("*.jpg"))) == 11
    for category in said["categories"]:
        recipe = Recipe.load(category["recipe"])
        assert recipe.product == category["name"]
        assert [reference.name for reference in recipe.references] == category["references"]
        assert len(recipe.references) == 4


def test_a_second_demo_uses_the_bundle_again_and_replaces_the_results(
    finished, tiny_checkpoint, monkeypatch
):
    from res2clip.cli import demonstration

    plan = DatasetPlan(train=3, good=2, defect=1, size_px=64)
    monkeypatch.setattr(demonstration, "PLAN", plan)
    out, _ = finished
    before = (out / "bundle" / "manifest.json").stat().st_mtime_ns
    result = run_demo("--out", out, "--shots", 2, "--backbone", tiny_checkpoint)
    assert result.exit_code == 0, result.output
    assert "exporting" not in result.stderr
    assert (out / "bundle" / "manifest.json").stat().st_mtime_ns == before
    expected = 2 + len(demonstration.PRODUCT.defects)
    assert {line["product"] for line in lines_of(out)} == {"flange"}
    assert len(lines_of(out)) == len(list((out / "pictures").rglob("*.jpg"))) == expected
    for said in ("I-AUROC", "P-AUROC", str(out / "report.html"), "res2clip-run --source"):
        assert said in result.stdout
    drawn = (out / "data" / "flange" / "drawing.json").stat().st_mtime_ns
    again = run_demo("--out", out, "--limit", 1, "--shots", 2, "--backbone", tiny_checkpoint)
    assert again.exit_code == 0, again.output
    assert (out / "data" / "flange" / "drawing.json").stat().st_mtime_ns == drawn
    assert len(lines_of(out)) == expected - 1


def test_a_damaged_bundle_is_exported_again_and_a_truncated_picture_is_one_error(
    finished, tiny_checkpoint, tmp_path
):
    import shutil

    out, _ = finished
    shutil.copytree(out, tmp_path / "out")
    (tmp_path / "out" / "bundle" / "heads.onnx").write_bytes(b"torn")
    data = save_category(tmp_path / "nut", good=1, scratched=2)
    torn = data / "test" / "scratch" / "201.png"
    torn.write_bytes(torn.read_bytes()[:400])
    result = run_demo("--out", tmp_path / "out", "--data", data, "--backbone", tiny_checkpoint)
    assert result.exit_code == 0, result.output
    assert "exporting heads" in result.stderr
    decisions = {line["frame_id"]: line["decision"] for line in lines_of(tmp_path / "out")}
    assert len(decisions) == 3
    assert [frame for frame, said in decisions.items() if said == "ERROR"] == ["scratch/201.png"]


def test_a_folder_of_something_else_is_left_alone(tiny_checkpoint, tmp_path):
    (tmp_path / "results.jsonl").write_text("precious")
    result = run_demo("--out", tmp_path, "--backbone", tiny_checkpoint)
    assert result.exit_code == 1
    assert "not a demo's" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["results.jsonl"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--shots", 9], "--shots between 1 and 4"),
        (["--data", "nowhere"], "there is no folder nowhere"),
        (["--backbone", "nowhere.safetensors"], "nowhere.safetensors"),
    ],
)
def test_a_wrong_option_is_one_line_on_stderr(tiny_checkpoint, tmp_path, options, said):
    data = save_category(tmp_path / "nut", good=1, scratched=1)
    base = {"--out": tmp_path / "out", "--data": data, "--backbone": tiny_checkpoint}
    base |= dict(zip(options[::2], options[1::2], strict=True))
    result = run_demo(*(word for pair in base.items() for word in pair))
    assert result.exit_code == 1
    assert said in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.output


def test_data_without_test_pictures_is_refused(tiny_checkpoint, tmp_path):
    data = save_category(tmp_path / "nut", good=0, scratched=0)
    result = run_demo("--out", tmp_path / "out", "--data", data, "--backbone", tiny_checkpoint)
    assert result.exit_code == 1
    assert "holds no test pictures" in result.stderr
